/// Rules about where files lie.
enum LayoutRules {
    static let topLevel: Set<String> = [
        "Package.swift", "Sources", "Tests", "Benchmarks", "docs", "README.md", "LICENSE", "Makefile", "Examples",
    ]

    /// The top level holds what a newcomer expects, and dotfiles.
    static func strayTopLevel(_ paths: [String]) -> [Violation] {
        Set(paths.compactMap { $0.split(separator: "/").first.map(String.init) }).subtracting(topLevel)
            .filter { !$0.hasPrefix(".") }.sorted().map { name in
                Violation(
                    path: name, line: 1, rule: "top level", found: "\(name) lies at the top of the repository",
                    why: "the top level is the first thing a newcomer reads",
                    remedy:
                        "move it below one of \(topLevel.sorted().joined(separator: ", ")), or ignore it in .gitignore")
            }
    }

    private static let vagueNames: Set<String> = ["utils", "util", "helpers", "helper", "common", "new", "old", "misc"]

    /// No folder whose name says nothing about what is in it.
    static func vagueFolders(_ paths: [String]) -> [Violation] {
        let folders = paths.flatMap { path -> [String] in
            let parts = path.split(separator: "/").dropLast()
            return parts.indices.filter { vagueNames.contains(parts[$0].lowercased()) }
                .map { parts[...$0].joined(separator: "/") }
        }
        return Set(folders).sorted().map { folder in
            Violation(
                path: folder, line: 1, rule: "folder names", found: "the folder's name doesn't say what is in it",
                why: "everything fits into such a folder, so nothing is found there",
                remedy: "name it, or its files, for the one thing they do")
        }
    }
}
