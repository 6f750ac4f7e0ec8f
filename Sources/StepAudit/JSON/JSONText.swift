/// Checks that bytes are one JSON text (RFC 8259), and puts it on one line.
///
/// Payloads are whatever the user's codec made. Only what any JSON reader takes may stand inside a line of ours: no
/// half surrogates, no deep nesting, no bytes that are not UTF-8.
struct JSONText {
    /// Foundation's reader gives up beyond 512.
    static let depthLimit = 500

    private let bytes: [UInt8]
    private var position = 0
    /// Line breaks between tokens, which mean nothing.
    private var breaks: [Int] = []

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The text without line breaks; `nil` when it is no such JSON.
    static func onOneLine(_ bytes: [UInt8]) -> [UInt8]? {
        var text = JSONText(bytes)
        guard text.document(), String(validating: bytes, as: UTF8.self) != nil else { return nil }
        if text.breaks.isEmpty { return bytes }
        var line = bytes
        for index in text.breaks { line[index] = UInt8(ascii: " ") }
        return line
    }

    private enum Container {
        case object, array
    }

    private mutating func document() -> Bool {
        var open: [Container] = []
        while true {
            skipSpace()
            guard let byte = peek else { return false }
            if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") {
                guard open.count < Self.depthLimit else { return false }
                position += 1
                let container: Container = byte == UInt8(ascii: "{") ? .object : .array
                skipSpace()
                if peek != Self.end(of: container) {
                    open.append(container)
                    guard container == .array || name() else { return false }
                    continue
                }
                position += 1
            } else {
                guard scalar(byte) else { return false }
            }
            // A value is complete: close what ends here, or go on to the next value.
            var goesOn = false
            while !goesOn, let container = open.last {
                skipSpace()
                if take(UInt8(ascii: ",")) {
                    skipSpace()
                    guard container == .array || name() else { return false }
                    goesOn = true
                } else {
                    guard take(Self.end(of: container)) else { return false }
                    open.removeLast()
                }
            }
            if goesOn { continue }
            skipSpace()
            return position == bytes.count
        }
    }

    private static func end(of container: Container) -> UInt8 {
        container == .object ? UInt8(ascii: "}") : UInt8(ascii: "]")
    }

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        position += 1
        return true
    }

    private mutating func take(word: StaticString) -> Bool {
        word.withUTF8Buffer { word in
            guard bytes[position...].starts(with: word) else { return false }
            position += word.count
            return true
        }
    }

    private mutating func skipSpace() {
        while let byte = peek {
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "\t"): break
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"): breaks.append(position)
            default: return
            }
            position += 1
        }
    }

    private mutating func name() -> Bool {
        guard string() else { return false }
        skipSpace()
        return take(UInt8(ascii: ":"))
    }

    private mutating func scalar(_ first: UInt8) -> Bool {
        switch first {
        case UInt8(ascii: "\""): string()
        case UInt8(ascii: "t"): take(word: "true")
        case UInt8(ascii: "f"): take(word: "false")
        case UInt8(ascii: "n"): take(word: "null")
        default: number()
        }
    }

    private mutating func number() -> Bool {
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) {
            guard digits() else { return false }
        }
        if take(UInt8(ascii: ".")) {
            guard digits() else { return false }
        }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "-")) { _ = take(UInt8(ascii: "+")) }
            guard digits() else { return false }
        }
        return true
    }

    private mutating func digits() -> Bool {
        let start = position
        while let byte = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
        return position > start
    }

    private mutating func string() -> Bool {
        guard take(UInt8(ascii: "\"")) else { return false }
        while let byte = peek {
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return true
            case UInt8(ascii: "\\"):
                guard escape() else { return false }
            case 0..<0x20: return false
            default: break
            }
        }
        return false
    }

    private mutating func escape() -> Bool {
        guard let byte = peek else { return false }
        position += 1
        guard byte == UInt8(ascii: "u") else { return #""\/bfnrt"#.utf8.contains(byte) }
        guard let unit = codeUnit() else { return false }
        if (0xDC00...0xDFFF).contains(unit) { return false }
        guard (0xD800...0xDBFF).contains(unit) else { return true }
        guard take(word: #"\u"#), let low = codeUnit() else { return false }
        return (0xDC00...0xDFFF).contains(low)
    }

    private mutating func codeUnit() -> UInt16? {
        guard position + 4 <= bytes.count else { return nil }
        var unit: UInt16 = 0
        for byte in bytes[position..<position + 4] {
            guard let digit = Character(UnicodeScalar(byte)).hexDigitValue else { return nil }
            unit = unit << 4 | UInt16(digit)
        }
        position += 4
        return unit
    }
}
