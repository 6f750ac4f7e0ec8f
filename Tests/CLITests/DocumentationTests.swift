import ArgumentParser
import Foundation
import StepEvents
import Testing

@testable import StepKitCLI

/// `docs/CLI.md` says what there is, all of it, and nothing else.
@Suite("The documentation of the command")
struct DocumentationTests {
    private static func document() throws -> String {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return try String(contentsOf: root.appending(path: "docs/CLI.md"), encoding: .utf8)
    }

    @Test("Every command has its section, and every option of it a row")
    func commands() throws {
        let document = try Self.document()
        let sections = document.components(separatedBy: "\n## ")
        let common = try #require(sections.first)
        #expect(!Tool.configuration.subcommands.isEmpty)
        for command in Tool.configuration.subcommands {
            let name = try #require(command.configuration.commandName)
            let section = try #require(sections.first { $0.hasPrefix("stepkit \(name)\n") }, "\(name) has no section")
            #expect(common.contains("`stepkit \(name)"))
            let options = Self.options(in: Tool.helpMessage(for: command))
            #expect(options.isSuperset(of: ["--store", "--json", "--help"]))
            for option in options.subtracting(["--store", "--json", "--help"]) {
                #expect(section.contains("| `\(option)"), "\(name) \(option) is not documented")
            }
            let documented = Self.options(in: section)
            #expect(documented.subtracting(options) == [], "\(name) has no such option")
        }
        for option in ["--store", "--json"] { #expect(common.contains("| `\(option)")) }
    }

    @Test("Every kind of event has a row")
    func kinds() throws {
        let document = try Self.document()
        let rows = document.split(separator: "\n").filter { $0.hasPrefix("|") }
            .compactMap { $0.split(separator: "|").first.map(String.init) }
        for kind in EventKind.allCases {
            #expect(rows.contains { $0.contains("`\(kind.name)`") }, "\(kind.name) is not documented")
        }
    }

    @Test("Every key that is printed is documented")
    func keys() throws {
        let document = try Self.document()
        try withSampleStore { sample in
            for command in [["runs"], ["events", "--commits"], ["stats"], ["verify", "--in-this-process"]] {
                let transcript = Transcript(command + ["--json", "--store", sample.path])
                #expect(transcript.status == .ok)
                let keys = Set(try transcript.lines.flatMap(Transcript.keys))
                #expect(!keys.isEmpty)
                for key in keys {
                    #expect(
                        document.contains("`\(key)`") || document.contains(" \(key) "), "\(key) is not documented")
                }
            }
        }
    }

    private static func options(in text: String) -> Set<String> {
        var options: Set<String> = []
        for part in text.components(separatedBy: "--").dropFirst() {
            let name = part.prefix { $0.isLowercase || $0 == "-" }
            if name.first?.isLowercase == true { options.insert("--\(name)") }
        }
        return options
    }
}
