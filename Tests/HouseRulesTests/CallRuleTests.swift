import Testing

@Suite struct CallRuleTests {
    @Test func theRepositoryKeepsToIt() throws {
        let sources = try Repository.shared.get().sources(in: "Sources", "Tests", "Examples", "Benchmarks")
        expectNone(CallRule(exemptions: CallRule.allowed).violations(in: sources))
    }

    private func found(_ text: String, path: String = "Sources/A/A.swift") -> [String] {
        CallRule(exemptions: []).violations(in: [SourceFile(path, text)]).map { "\($0.line): \($0.rule)" }
    }

    @Test(arguments: CallRule.calls.map(\.text))
    func everyCallIsFound(call: String) {
        let whole = call.hasSuffix("(") ? call + ")" : call
        #expect(!found("\nlet a = \(call.hasPrefix(".") ? "b" : "")\(whole)").isEmpty, "\(whole) was not noticed")
        #expect(found("// \(whole)\nlet a = \"\(whole)\"") == [])
    }

    @Test func whatLooksAlikeIsFine() {
        #expect(found("let a = Date(timeIntervalSince1970: 1)") == [])
        #expect(found("try await step.sleep(\"a\", for: .days(3))") == [])
        #expect(found("let a = Int.random(in: 0..<max(1, 2), using: &generator)") == [])
        #expect(found("let a = list.shuffled(using: &generator)") == [])
        #expect(found("let a = UUID(uuid: bytes)") == [])
        #expect(found("transaction.abort()\nfunc exit(a: Int) { }\nlet b = c as? D") == [])
    }

    @Test func aCallNextToAGeneratorStillCounts() {
        #expect(found("f(a.randomElement(), using: g)") == ["1: randomness"])
    }

    @Test func trapsAndExitsConcernTheLibrary() {
        #expect(found("exit(1)", path: "Sources/StepKitCLI/A.swift") == [])
        #expect(found("let a = b as! C", path: "Tests/A/A.swift") == [])
        #expect(found("let a = b as! C", path: "Sources/StepKitCLI/A.swift") == ["1: trap"])
        #expect(found("Thread.sleep(1)", path: "Tests/A/A.swift") == ["1: sleep"])
    }

    @Test func exemptionsHoldForTheirFileAndKind() {
        let exemption = CallRule.Exemption(path: "Sources/A/Clock.swift", kinds: [.clock], reason: "it is the clock")
        let rule = CallRule(exemptions: [exemption])
        let clock = SourceFile("Sources/A/Clock.swift", "let a = Date()")
        #expect(rule.violations(in: [clock]) == [])
        #expect(rule.violations(in: [SourceFile("Sources/A/Clocks.swift", "let a = Date()")]).count == 1)
        #expect(rule.violations(in: [clock, SourceFile("Sources/A/B.swift", "let a = Date()")]).count == 1)
        #expect(rule.violations(in: [SourceFile("Sources/A/Clock.swift", "let a = Date(), b = UUID()")]).count == 1)
    }

    @Test func anUnusedExemptionIsStale() {
        let exemption = CallRule.Exemption(path: "Sources/A/A.swift", kinds: [.clock], reason: "was once")
        let violations = CallRule(exemptions: [exemption]).violations(in: [SourceFile("Sources/A/A.swift", "let a = 1")]
        )
        #expect(violations.map(\.rule) == ["exemption"])
        #expect(CallRule(exemptions: [exemption]).violations(in: []) == [])
    }
}
