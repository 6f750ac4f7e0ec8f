import Foundation
import Testing

@testable import StepKitCLI

/// What a command printed and how it ended.
struct Transcript {
    var output: String
    var complaint: String
    var status: EndStatus

    /// Runs a command in this process.
    init(_ arguments: [String]) {
        let console = Console()
        status = Tool.run(arguments, console)
        output = String(decoding: console.buffer, as: UTF8.self)
        complaint = console.complaints.joined()
    }

    var lines: [String] { output.split(separator: "\n").map(String.init) }

    /// The lines as JSON objects.
    func objects() throws -> [[String: Any]] {
        try lines.map { line in
            try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "\(line)")
        }
    }

    /// The names of a line's members in the order in which they stand there, those inside of members left out.
    static func keys(of line: String) throws -> [String] {
        var keys: [String] = []
        var depth = 0
        var text = ""
        var isInText = false
        var isEscaped = false
        for character in line {
            if isInText {
                if isEscaped {
                    isEscaped = false
                } else if character == "\\" {
                    isEscaped = true
                } else if character == "\"" {
                    isInText = false
                    continue
                }
                text.append(character)
                continue
            }
            switch character {
            case "\"":
                isInText = true
                text = ""
            case "{", "[": depth += 1
            case "}", "]": depth -= 1
            case ":": if depth == 1 { keys.append(text) }
            default: break
            }
        }
        try #require(depth == 0)
        return keys
    }
}

/// Compares output for people with what was printed when it was last looked at.
///
/// With `STEPKIT_UPDATE_GOLDEN=1` in the environment the files are written anew; look at the difference before it is
/// committed.
func expectGolden(_ name: String, _ text: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden")
    let file = folder.appending(path: "\(name).txt")
    if ProcessInfo.processInfo.environment["STEPKIT_UPDATE_GOLDEN"] == "1" {
        try Data(text.utf8).write(to: file)
        return
    }
    let golden = try String(contentsOf: file, encoding: .utf8)
    #expect(text == golden, "differs from \(name).txt", sourceLocation: sourceLocation)
}
