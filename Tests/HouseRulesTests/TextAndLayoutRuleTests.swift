import Testing

@Suite struct TextRuleTests {
    // In two parts, so that this file keeps the rules it tests.
    private let call = "mdb" + "_txn_commit"

    @Test func oneFileNamesTheCCalls() throws {
        let repository = try Repository.shared.get()
        let folders = ["Sources/", "Tests/", "Examples/", "Benchmarks/"]
        expectNone(
            TextRules.cCalls(in: repository.files.filter { file in folders.contains { file.path.hasPrefix($0) } }))
    }

    @Test func cCallsAreFoundInCommentsToo() {
        let text = "let a = 1\n// \(call)\n"
        #expect(TextRules.cCalls(in: [SourceFile("Sources/LMDB/Table.swift", text)]).map(\.line) == [2])
        #expect(TextRules.cCalls(in: [SourceFile("Sources/CLMDB/shim.h", text)]).count == 1)
        #expect(TextRules.cCalls(in: [SourceFile("Sources/LMDB/LMDBCalls.swift", text)]) == [])
    }

    @Test func nothingIsLeftOver() throws {
        expectNone(TextRules.leftovers(in: try Repository.shared.get().files))
    }

    @Test(arguments: ["TO" + "DO", "FIX" + "ME", "XX" + "X"])
    func leftoversAreFound(word: String) {
        #expect(TextRules.leftovers(in: [SourceFile("docs/A.md", "a\nb \(word): c\n")]).map(\.line) == [2])
        #expect(TextRules.leftovers(in: [SourceFile("A.swift", "let template = \"\(word)\(word)\"")]) == [])
    }

    @Test func noMachineIsNamed() throws {
        expectNone(TextRules.machinePaths(in: try Repository.shared.get().files))
    }

    @Test(arguments: ["/wo" + "rk/a", "/ho" + "me/a", "/ro" + "ot/a", "/Us" + "ers/a"])
    func machinePathsAreFound(path: String) {
        #expect(TextRules.machinePaths(in: [SourceFile("docs/A.md", "\n`\(path)`")]).map(\.line) == [2])
        #expect(TextRules.machinePaths(in: [SourceFile("docs/A.md", path)]).count == 1)
        #expect(TextRules.machinePaths(in: [SourceFile("docs/A.md", "some\(path) .\(path)")]) == [])
    }

    @Test func uncheckedIsExplained() throws {
        let sources = try Repository.shared.get().sources(in: "Sources", "Tests", "Examples", "Benchmarks")
        expectNone(TextRules.unexplainedUnchecked(in: sources))
    }

    @Test func unexplainedUncheckedIsFound() {
        func found(_ text: String) -> [Int] {
            TextRules.unexplainedUnchecked(in: [SourceFile("A.swift", text)]).map(\.line)
        }
        #expect(found("final class A: @unchecked Sendable { }") == [1])
        #expect(found("// The lock.\n\n\n\nnonisolated(unsafe) var a = 1") == [5])
        #expect(found("// The lock.\n\n\nnonisolated(unsafe) var a = 1") == [])
        #expect(found("final class A: @unchecked Sendable { } // immutable") == [])
        #expect(found("let a = \"@unchecked Sendable\"") == [])
    }
}

@Suite struct LayoutRuleTests {
    @Test func theRepositoryKeepsToIt() throws {
        let paths = try Repository.shared.get().files.map(\.path)
        #expect(paths.contains("Package.swift"))
        expectNone(LayoutRules.strayTopLevel(paths))
        expectNone(LayoutRules.vagueFolders(paths))
    }

    @Test func strayFilesAreFound() {
        let paths = ["notes.txt", "Scripts/a.sh", "Scripts/b.sh", ".ci/run", "Sources/A/A.swift"]
        #expect(LayoutRules.strayTopLevel(paths).map(\.path) == ["Scripts", "notes.txt"])
    }

    @Test func vagueFoldersAreFound() {
        let paths = [
            "Sources/A/Utils/a.swift", "Tests/helpers/b.swift", "Sources/Common.swift", "Sources/A/New/Old/a.swift",
        ]
        let expected = ["Sources/A/New", "Sources/A/New/Old", "Sources/A/Utils", "Tests/helpers"]
        #expect(LayoutRules.vagueFolders(paths).map(\.path) == expected)
    }
}
