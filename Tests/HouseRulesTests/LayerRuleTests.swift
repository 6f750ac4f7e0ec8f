import Testing

@Suite struct LayerRuleTests {
    @Test func theRepositoryKeepsToIt() throws {
        let repository = try Repository.shared.get()
        let rule = LayerRule(layers: LayerRule.table, manifest: repository.manifest)
        expectNone(rule.violations(in: repository.sources(in: "Sources", "Examples")))
    }

    private func target(_ name: String, dependencies: Set<String>, path: String? = nil) -> Manifest.Target {
        Manifest.Target(
            name: name, kind: "regular", dependencies: dependencies, upcomingFeatures: [], warningsAreErrors: true,
            languageMode: "6", path: path ?? "Sources/\(name)")
    }

    private var manifest: Manifest {
        Manifest(targets: [
            target("Low", dependencies: []), target("Middle", dependencies: ["Low"]),
            target("High", dependencies: ["Low", "Logging"]),
        ])
    }

    private let layers = [
        LayerRule.Layer("Low", ours: [], others: []), LayerRule.Layer("Middle", ours: ["Low"], others: []),
        LayerRule.Layer("High", ours: ["Low", "Middle"], others: ["Foundation", "Logging"]),
    ]

    private func found(_ path: String, _ text: String) -> [String] {
        LayerRule(layers: layers, manifest: manifest).violations(in: [SourceFile(path, text)]).map {
            "\($0.path):\($0.line): \($0.found)"
        }
    }

    @Test func allowedImportsAreFine() {
        #expect(
            found("Sources/High/A.swift", "import Foundation\npublic import Low\nimport struct Logging.Logger") == [])
    }

    @Test(arguments: ["import High", "package import High", "@_exported public import High", "import struct High.A"])
    func upwardImportsAreFound(statement: String) {
        let expected = ["Sources/Low/A.swift:2: Low imports High"]
        #expect(found("Sources/Low/A.swift", "// import High\n\(statement)\n") == expected)
    }

    @Test func foreignImportsAreFound() {
        #expect(
            found("Sources/Low/A.swift", "import Foundation.NSDate") == [
                "Sources/Low/A.swift:1: Low imports Foundation"
            ])
    }

    @Test func undeclaredImportsAreFound() {
        let expected = ["Sources/High/A.swift:1: High imports Middle without declaring it"]
        #expect(found("Sources/High/A.swift", "import Middle") == expected)
    }

    @Test func testableImportsAreFound() {
        let expected = ["Sources/High/A.swift:1: High imports Low as @testable"]
        #expect(found("Sources/High/A.swift", "@testable import Low") == expected)
    }

    @Test func strayFilesAreFound() {
        let expected = ["Sources/Lost/A.swift:1: this file belongs to no target of the layer table"]
        #expect(found("Sources/Lost/A.swift", "let a = 1") == expected)
    }

    @Test func namesakesAreFound() {
        let found = found("Sources/High/A.swift", "struct Higher { }\nenum High { }")
        #expect(found == ["Sources/High/A.swift:2: a type has the name of its module, High"])
    }

    @Test func theManifestMustAgree() {
        var changed = manifest
        changed.targets[0].dependencies = ["High"]
        changed.targets[1].name = "Odd"
        let found = LayerRule(layers: layers, manifest: changed).violations(in: []).map(\.found)
        #expect(
            found == [
                "Low depends on High, which the layer table doesn't allow", "the target Odd is not in the layer table",
                "LayerTable.swift lists Middle, which is no target",
            ])
    }

    @Test func wordsAreNoImports() {
        let file = SourceFile(
            "A.swift", "let a = important\nfunc f(import a: Int) { }\n// import B\nimport C; let d = 1")
        #expect(ImportStatement.all(in: file) == [ImportStatement(module: "C", line: 4, isTestable: false)])
    }
}
