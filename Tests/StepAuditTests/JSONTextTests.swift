import Foundation
import TestSupport
import Testing

@testable import StepAudit

@Suite("Embedding stored JSON")
struct JSONTextTests {
    @Test(
        "What any reader takes stays as it is",
        arguments: [
            "null", "true", "false", "0", "-0.5e-7", "1E+9", #""""#, "[]", "{}", #"{"a":[1,{"b":"c"}],"d":{}}"#,
            #""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00 é 😀""#, "12345678901234567890123", " [ 1 , 2 ] ",
        ])
    func taken(text: String) {
        #expect(JSONText.onOneLine(Array(text.utf8)) == Array(text.utf8))
    }

    @Test(
        "What some reader would stumble over is refused",
        arguments: [
            "", " ", "nul", "nulll", "tru", "+1", "01", "1.", ".5", "1e", "-", "[1,]", "[,1]", "[1 2]", "{,}",
            #"{"a"}"#, #"{"a":}"#, #"{a:1}"#, #"{"a":1,}"#, "[", "]", "{", "}", "[}", #"""#, #""\x""#, #""\u12"#,
            #""\u12g4""#, #""\ud800""#, #""\ud800\u0041""#, #""\udc00""#, "1 2", "\"a\nb\"", "\"\u{1}\"", "NaN",
            "'a'", "// 1", "\u{FEFF}1",
        ])
    func refused(text: String) {
        #expect(JSONText.onOneLine(Array(text.utf8)) == nil)
    }

    @Test("Line breaks between tokens become spaces, those in texts stay escaped")
    func lineBreaks() {
        let pretty = "{\n  \"a\" : \"x\\ny\",\r\n  \"b\" : 1\n}\n"
        let line = JSONText.onOneLine(Array(pretty.utf8)).map { String(decoding: $0, as: UTF8.self) }
        #expect(line == #"{   "a" : "x\ny",    "b" : 1 } "#)
    }

    @Test("Nesting has a bound, and no text is too deep to be refused")
    func depth() {
        let deep = JSONText.depthLimit
        #expect(JSONText.onOneLine(Array(repeating: UInt8(ascii: "["), count: 3_000_000)) == nil)
        for (depth, isTaken) in [(deep, true), (deep + 1, false)] {
            let text = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
            #expect((JSONText.onOneLine(Array(text.utf8)) != nil) == isTaken)
        }
    }

    @Test("Bytes that are not UTF-8 are refused")
    func encoding() {
        #expect(JSONText.onOneLine([UInt8(ascii: "\""), 0xFF, UInt8(ascii: "\"")]) == nil)
        #expect(JSONText.onOneLine([0xFF, 0xFE, UInt8(ascii: "1"), 0]) == nil)
    }

    @Test("Whatever is taken, Foundation's reader takes too")
    func random() {
        var generator = SeededGenerator(seed: 77)
        let pieces = [
            "{", "}", "[", "]", ",", ":", "\"", "a", "\\", "u", "00e9", "d800", "1", "0", "-", ".", "e", "null", " ",
            "\n",
            "\"k\":", "é",
        ]
        var taken = 0
        for _ in 0..<60_000 {
            let text = (0..<1 + generator.below(7)).map { _ in pieces[generator.below(pieces.count)] }.joined()
            guard let line = JSONText.onOneLine(Array(text.utf8)) else { continue }
            taken += 1
            let read = try? JSONSerialization.jsonObject(with: Data(line), options: .fragmentsAllowed)
            #expect(read != nil, "\(text), seed 77")
        }
        #expect(taken > 1_000)
    }

    @Test("Base64 is Foundation's")
    func base64Text() {
        var generator = SeededGenerator(seed: 3)
        for count in 0..<100 {
            let bytes = generator.bytes(count)
            #expect(base64(bytes) == Data(bytes).base64EncodedString())
        }
    }

    @Test("Text is escaped so that it reads back")
    func escaping() throws {
        var line = JSONLine()
        let text = (0..<0x180).compactMap(UnicodeScalar.init).map { String($0) }.joined() + "😀\u{2028}"
        line.member("text", text)
        let object = try JSONSerialization.jsonObject(with: Data(line.finish())) as? [String: String]
        #expect(object == ["text": text])
    }
}
