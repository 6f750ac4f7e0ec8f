import Foundation

/// What Package.swift says, as SwiftPM itself reads it.
struct Manifest: Sendable {
    struct Target: Sendable, Equatable {
        var name: String
        /// `regular`, `executable`, `test` or `system`.
        var kind: String
        /// Targets of ours and products of others alike: either is the name of the module to import.
        var dependencies: Set<String>
        var upcomingFeatures: Set<String>
        var warningsAreErrors: Bool
        var languageMode: String?
        /// Where its sources lie; `Sources/NAME` unless Package.swift says otherwise.
        var path: String
    }

    var targets: [Target]

    init(targets: [Target]) {
        self.targets = targets
    }

    /// Asks SwiftPM, with a scratch folder of its own: the usual one is locked while `swift test` prepares.
    init() throws {
        let scratch = try temporaryFolder()
        defer { try? FileManager.default.removeItem(at: scratch) }
        let dump = try output(of: ["swift", "package", "--scratch-path", scratch.path, "dump-package"])
        let decoded = try JSONDecoder().decode(Dump.self, from: Data(dump.utf8))
        targets = decoded.targets.map(\.target)
    }
}

/// The parts of `swift package dump-package` that the rules need.
private struct Dump: Decodable {
    var targets: [DumpedTarget]
}

private struct DumpedTarget: Decodable {
    var name: String
    var type: String
    var path: String?
    var dependencies: [[String: [DependencyPart]]]
    var settings: [DumpedSetting]

    var target: Manifest.Target {
        let values = settings.flatMap(\.kind).map { ($0.key, $0.value.value) }
        return Manifest.Target(
            name: name, kind: type,
            dependencies: Set(dependencies.flatMap(\.values).compactMap(\.first?.name)),
            upcomingFeatures: Set(values.filter { $0.0 == "enableUpcomingFeature" }.compactMap(\.1)),
            warningsAreErrors: values.contains { $0.0 == "treatAllWarnings" && $0.1 == "error" },
            languageMode: values.first { $0.0 == "swiftLanguageMode" }?.1,
            path: path ?? (type == "test" ? "Tests/" : "Sources/") + name)
    }
}

/// A dependency is a list whose first entry is its name; the others are a package, a condition or null.
private struct DependencyPart: Decodable {
    var name: String?

    init(from decoder: any Decoder) throws {
        name = try? decoder.singleValueContainer().decode(String.self)
    }
}

private struct DumpedSetting: Decodable {
    var kind: [String: SettingValue]
}

private struct SettingValue: Decodable {
    var value: String?

    private enum Key: String, CodingKey { case value = "_0" }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        value = try? container.decodeIfPresent(String.self, forKey: .value)
    }
}
