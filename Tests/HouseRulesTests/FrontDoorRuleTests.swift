import Foundation
import Testing

/// One front door: CI calls make targets and nothing else, and each target tells how long it usually takes.
struct FrontDoorRule {
    /// The targets of a makefile, with the line and what `##` says of each.
    static func targets(in makefile: SourceFile) -> [(name: String, line: Int, help: String)] {
        let lines = String(decoding: makefile.text, as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: false)
        return lines.enumerated().compactMap { index, line in
            guard let match = line.prefixMatch(of: /([a-z][a-z-]*):([^=].*)?$/) else { return nil }
            let help = line.split(separator: "## ", maxSplits: 1).dropFirst().first ?? ""
            return (String(match.1), index + 1, String(help))
        }
    }

    static func violations(makefile: SourceFile, ci script: SourceFile) -> [Violation] {
        let targets = targets(in: makefile)
        var violations = targets.filter { $0.help.firstMatch(of: /\(.*[0-9] (s|min).*\)/) == nil }.map { target in
            Violation(
                path: makefile.path, line: target.line, rule: "front door",
                found: "the target \(target.name) doesn't say how long it takes",
                why: "whoever calls it should know whether to wait",
                remedy: "end its line with `## What it does (2 min).`")
        }
        let names = Set(targets.map(\.name))
        for (index, line) in String(decoding: script.text, as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: false
        ).enumerated() where !line.drop(while: { $0 == " " }).hasPrefix("#") {
            let unknown = line.matches(of: /\bmake ([a-z-]+)/).map { String($0.1) }.filter { !names.contains($0) }
            violations += unknown.map { name in
                violation(script, index + 1, "make has no target \(name)", "add the target, or call one that is there")
            }
            if line.contains(/\bswift\b/) {
                violations.append(
                    violation(script, index + 1, "the script calls swift itself", "put the call into a make target"))
            }
        }
        return violations
    }

    private static func violation(_ file: SourceFile, _ line: Int, _ found: String, _ remedy: String) -> Violation {
        Violation(
            path: file.path, line: line, rule: "front door", found: found,
            why: "what CI runs, a person must be able to run in the same way", remedy: remedy)
    }
}

@Suite struct FrontDoorRuleTests {
    @Test func theRepositoryKeepsToIt() throws {
        let files = try Repository.shared.get().files
        let makefile = try #require(files.first { $0.path == "Makefile" })
        let script = try #require(files.first { $0.path == ".ci/run" })
        expectNone(FrontDoorRule.violations(makefile: makefile, ci: script))
        let names = FrontDoorRule.targets(in: makefile).map(\.name)
        #expect(Set(names).isSuperset(of: ["demo", "test", "bench", "lint", "docs", "soak", "sanitize", "setup"]))
    }

    @Test func scriptsCanBeRun() throws {
        let scripts = try Repository.shared.get().files.map(\.path).filter { $0.hasPrefix(".ci/") }
        #expect(!scripts.isEmpty)
        for script in scripts {
            let path = Repository.root.appending(path: script).path
            #expect(
                FileManager.default.isExecutableFile(atPath: path), "\(script) lacks its executable bit: chmod +x it")
        }
    }

    @Test func sidewaysCallsAreFound() {
        let makefile = SourceFile(
            "Makefile", "A := b\nSWIFT ?= swift\ntest: setup ## Tests (2 min).\n\tswift test\nslow: ## Slow.\n")
        let script = SourceFile(".ci/run", "# swift is fine here\nstage test make test\nmake other\n  swift build\n")
        let found = FrontDoorRule.violations(makefile: makefile, ci: script).map {
            "\($0.path):\($0.line): \($0.found)"
        }
        #expect(
            found == [
                "Makefile:5: the target slow doesn't say how long it takes", ".ci/run:3: make has no target other",
                ".ci/run:4: the script calls swift itself",
            ])
    }
}
