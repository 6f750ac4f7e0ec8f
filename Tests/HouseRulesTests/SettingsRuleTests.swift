import Foundation
import Testing

/// One list of compiler settings holds for every target, and the compiler knows each name in it.
struct SettingsRule {
    var known: Set<String>
    static let wanted: Set<String> = [
        "ExistentialAny", "InternalImportsByDefault", "MemberImportVisibility", "NonisolatedNonsendingByDefault",
    ]

    func violations(in manifest: Manifest) -> [Violation] {
        manifest.targets.filter { $0.kind != "system" }.flatMap { target in
            var violations = target.upcomingFeatures.subtracting(known).sorted().map {
                violation(
                    "\(target.name) enables the upcoming feature \($0), which the compiler doesn't know",
                    why: "the compiler ignores a misspelt feature without a word",
                    remedy: "spell it as listed by "
                        + "`swiftc -print-supported-features`, or remove it")
            }
            violations += Self.wanted.subtracting(target.upcomingFeatures).sorted().map {
                violation(
                    "\(target.name) does not enable \($0)",
                    why: "the same source means another thing from target to target",
                    remedy: "set the settings of all targets in one loop")
            }
            if !target.warningsAreErrors || target.languageMode != "6" {
                violations.append(
                    violation(
                        "\(target.name) is not in Swift 6 mode with warnings as errors",
                        why: "data races would pass, and warnings hide among warnings",
                        remedy: "set the settings of all targets in one loop"))
            }
            return violations
        }
    }

    private func violation(_ found: String, why: String, remedy: String) -> Violation {
        Violation(path: "Package.swift", line: 1, rule: "settings", found: found, why: why, remedy: remedy)
    }
}

@Suite struct SettingsRuleTests {
    private struct Supported: Decodable {
        struct Features: Decodable { var upcoming: [Feature] }
        struct Feature: Decodable { var name: String }
        var features: Features
    }

    @Test func theRepositoryKeepsToIt() throws {
        let listing = try output(of: ["swiftc", "-print-supported-features"])
        let supported = try JSONDecoder().decode(Supported.self, from: Data(listing.utf8))
        let known = Set(supported.features.upcoming.map(\.name))
        #expect(!known.isEmpty)
        expectNone(SettingsRule(known: known).violations(in: try Repository.shared.get().manifest))
    }

    private let good = Manifest.Target(
        name: "A", kind: "regular", dependencies: [], upcomingFeatures: SettingsRule.wanted, warningsAreErrors: true,
        languageMode: "6", path: "Sources/A")

    private func found(_ change: (inout Manifest.Target) -> Void) -> [String] {
        var target = good
        change(&target)
        return SettingsRule(known: SettingsRule.wanted).violations(in: Manifest(targets: [target])).map(\.found)
    }

    @Test func everySettingIsNeeded() {
        #expect(found { _ in } == [])
        #expect(
            found { $0.upcomingFeatures.insert("NonIsolatedNonSending") } == [
                "A enables the upcoming feature NonIsolatedNonSending, which the compiler doesn't know"
            ])
        #expect(found { $0.upcomingFeatures.remove("ExistentialAny") } == ["A does not enable ExistentialAny"])
        #expect(found { $0.warningsAreErrors = false } == ["A is not in Swift 6 mode with warnings as errors"])
        #expect(found { $0.languageMode = "5" } == ["A is not in Swift 6 mode with warnings as errors"])
    }
}
