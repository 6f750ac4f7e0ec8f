/// Every import, and every dependency that Package.swift declares, against the table of layers.
///
/// SwiftPM refuses cycles, but neither an import that a target doesn't declare nor one that points upwards.
struct LayerRule {
    struct Layer: Sendable {
        var target: String
        var ours: Set<String>
        var others: Set<String>

        init(_ target: String, ours: Set<String>, others: Set<String>) {
            (self.target, self.ours, self.others) = (target, ours, others)
        }
    }

    var layers: [Layer]
    var manifest: Manifest

    /// Modules that come with the toolchain or the system; all others are targets of ours or products we depend on.
    static let toolchain: Set<String> = [
        "Foundation", "FoundationEssentials", "Glibc", "Dispatch", "Synchronization",
    ]

    func violations(in files: [SourceFile]) -> [Violation] {
        manifestViolations() + files.flatMap(importViolations) + files.flatMap(namesakes)
    }

    private func layer(_ name: String) -> Layer? { layers.first { $0.target == name } }

    private var ownTargets: Set<String> { Set(manifest.targets.map(\.name)) }

    /// The target of the manifest whose folder holds `path`.
    private func target(of path: String) -> Manifest.Target? {
        manifest.targets.first { path.hasPrefix($0.path + "/") }
    }

    private func importViolations(in file: SourceFile) -> [Violation] {
        guard let target = target(of: file.path), let layer = layer(target.name) else {
            return [
                violation(
                    file.path, 1, found: "this file belongs to no target of the layer table",
                    remedy: "put it into a target, and the target into LayerTable.swift and Package.swift")
            ]
        }
        return ImportStatement.all(in: file).compactMap { statement in
            let module = statement.module
            if ownTargets.contains(module), !layer.ours.contains(module) {
                return violation(
                    file.path, statement.line, found: "\(target.name) imports \(module)",
                    remedy: "move what is needed to a layer that both may import, or hand it in from above")
            }
            if !ownTargets.contains(module), !layer.others.contains(module) {
                return violation(
                    file.path, statement.line, found: "\(target.name) imports \(module)",
                    remedy:
                        "do without it here; where \(target.name) truly needs it, add it to LayerTable.swift and say why"
                )
            }
            if !Self.toolchain.contains(module), !target.dependencies.contains(module) {
                return violation(
                    file.path, statement.line, found: "\(target.name) imports \(module) without declaring it",
                    remedy: "add \(module) to the dependencies of \(target.name) in Package.swift")
            }
            if statement.isTestable {
                return violation(
                    file.path, statement.line, found: "\(target.name) imports \(module) as @testable",
                    remedy: "use `package` access")
            }
            return nil
        }
    }

    private func manifestViolations() -> [Violation] {
        let checked = manifest.targets.filter { $0.path.hasPrefix("Sources/") || $0.path.hasPrefix("Examples/") }
        var violations = checked.filter { $0.kind != "system" }.flatMap { target -> [Violation] in
            guard let layer = layer(target.name) else {
                return [
                    violation(
                        "Package.swift", 1, found: "the target \(target.name) is not in the layer table",
                        remedy: "add it to LayerTable.swift with what it may import")
                ]
            }
            return target.dependencies.subtracting(layer.ours).subtracting(layer.others).sorted().map { name in
                violation(
                    "Package.swift", 1, found: "\(target.name) depends on \(name), which the layer table doesn't allow",
                    remedy: "remove the dependency, or change LayerTable.swift and say why")
            }
        }
        violations += layers.filter { !ownTargets.contains($0.target) }.map {
            violation(
                "Package.swift", 1, found: "LayerTable.swift lists \($0.target), which is no target",
                remedy: "remove it from the table")
        }
        return violations
    }

    /// A type with its module's name makes it impossible to name anything else in the module in full.
    private func namesakes(in file: SourceFile) -> [Violation] {
        guard let target = target(of: file.path) else { return [] }
        return ["struct", "class", "enum", "actor", "protocol", "typealias"].flatMap { keyword in
            occurrences(of: "\(keyword) \(target.name)", in: file.code).map { offset in
                Violation(
                    path: file.path, line: file.line(at: offset), rule: "layers",
                    found: "a type has the name of its module, \(target.name)",
                    why:
                        "`\(target.name).X` would then mean a member of the type, and the module's X could not be named",
                    remedy: "give the type a name of its own")
            }
        }
    }

    private func violation(_ path: String, _ line: Int, found: String, remedy: String) -> Violation {
        Violation(
            path: path, line: line, rule: "layers", found: found,
            why: "imports point downwards only, so that each layer can be read and tested without those above",
            remedy: remedy)
    }
}

/// One `import` line.
struct ImportStatement: Equatable {
    var module: String
    var line: Int
    var isTestable: Bool

    static func all(in file: SourceFile) -> [ImportStatement] {
        occurrences(of: "import", in: file.code).compactMap { offset in
            // The word may stand behind attributes and an access level, nothing else.
            let start = file.code[..<offset].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
            let before = words(file.code[start..<offset])
            let access = ["public", "package", "internal", "fileprivate", "private"]
            guard before.allSatisfy({ $0.hasPrefix("@") || access.contains($0) }) else { return nil }
            let rest = file.code[(offset + 6)...].prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: ";") }
            var names = words(rest)
            let kinds = ["struct", "class", "enum", "protocol", "typealias", "func", "let", "var"]
            if let first = names.first, kinds.contains(first) { names.removeFirst() }
            guard let module = names.first?.split(separator: ".").first else { return nil }
            return ImportStatement(
                module: String(module), line: file.line(at: offset), isTestable: before.contains("@testable"))
        }
    }

    private static func words(_ bytes: ArraySlice<UInt8>) -> [String] {
        bytes.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
    }
}
