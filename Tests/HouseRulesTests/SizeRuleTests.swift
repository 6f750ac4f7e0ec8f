import Testing

@Suite struct SizeRuleTests {
    @Test func theRepositoryKeepsToIt() throws {
        let sources = try Repository.shared.get().sources(in: "Sources", "Tests", "Examples", "Benchmarks")
        expectNone(SizeRule(ratchet: SizeRule.allowed).violations(in: sources))
    }

    private func file(lines: Int) -> SourceFile {
        SourceFile("Sources/A/A.swift", String(repeating: "let a = 1\n", count: lines))
    }

    private func function(lines: Int) -> SourceFile {
        SourceFile("Sources/A/A.swift", "func f(a: Int) {\n" + String(repeating: "  g()\n", count: lines - 2) + "}\n")
    }

    private func found(_ file: SourceFile, ratchet: [SizeRule.Entry] = []) -> [String] {
        SizeRule(ratchet: ratchet).violations(in: [file]).map { "\($0.line): \($0.found); \($0.remedy)" }
    }

    @Test func limitsAreInclusive() {
        #expect(found(file(lines: 500)) == [])
        #expect(found(function(lines: 70)) == [])
        #expect(found(file(lines: 501)).count == 1)
        #expect(found(file(lines: 501)).first?.hasPrefix("1: the file has 501 lines, the limit is 500") == true)
        #expect(found(function(lines: 71)).first?.hasPrefix("1: f(a:) has 71 lines, the limit is 70") == true)
    }

    @Test func theRatchetHoldsWhatIsThere() {
        let entry = SizeRule.Entry(path: "Sources/A/A.swift", function: "f(a:)", lines: 80)
        #expect(found(function(lines: 80), ratchet: [entry]) == [])
        #expect(found(function(lines: 81), ratchet: [entry]).count == 1)
        #expect(found(function(lines: 81), ratchet: [entry]).first?.contains("has 81 lines") == true)
    }

    @Test func theRatchetOnlyShrinks() {
        let entry = SizeRule.Entry(path: "Sources/A/A.swift", function: "f(a:)", lines: 80)
        #expect(found(function(lines: 79), ratchet: [entry]).first?.hasSuffix("lower the entry to 79") == true)
        #expect(found(function(lines: 70), ratchet: [entry]).first?.hasSuffix("remove the entry") == true)
        #expect(found(file(lines: 1), ratchet: [entry]).first?.hasSuffix("remove the entry") == true)
    }
}
