/// Files of at most 500 lines and functions of at most 70, with a ratchet for what is longer.
struct SizeRule {
    static let longestFile = 500
    static let longestFunction = 70

    /// Something that was too long when its entry was written. It may shrink, and the entry with it.
    struct Entry: Sendable, Equatable {
        var path: String
        /// `name(label:)` as `FunctionSpan` writes it, or nil for the file as a whole.
        var function: String?
        var lines: Int
    }

    var ratchet: [Entry]

    func violations(in files: [SourceFile]) -> [Violation] {
        let found = files.flatMap(tooLong)
        let grown = found.filter { item in
            !ratchet.contains {
                $0.path == item.entry.path && $0.function == item.entry.function && $0.lines >= item.entry.lines
            }
        }
        return grown.map(violation) + ratchet.compactMap { stale($0, found: found) }
    }

    private struct Finding {
        var entry: Entry
        var line: Int
    }

    private func tooLong(in file: SourceFile) -> [Finding] {
        var found: [Finding] = []
        if file.lineCount > Self.longestFile {
            found.append(Finding(entry: Entry(path: file.path, function: nil, lines: file.lineCount), line: 1))
        }
        for span in FunctionFinder(file).functions() where span.length > Self.longestFunction {
            let entry = Entry(path: file.path, function: span.name, lines: span.length)
            found.append(Finding(entry: entry, line: span.firstLine))
        }
        return found
    }

    private func violation(_ finding: Finding) -> Violation {
        let entry = finding.entry
        let limit = entry.function == nil ? Self.longestFile : Self.longestFunction
        return Violation(
            path: entry.path, line: finding.line, rule: "size",
            found: "\(entry.function ?? "the file") has \(entry.lines) lines, the limit is \(limit)",
            why: "what fits on a few screens can be read and reviewed as a whole",
            remedy: "split it by what its parts do; an entry in SizeRatchet.swift may not grow")
    }

    private func stale(_ entry: Entry, found: [Finding]) -> Violation? {
        let sizes = found.filter { $0.entry.path == entry.path && $0.entry.function == entry.function }.map(
            \.entry.lines)
        // Longer than the entry is reported as grown already.
        if let size = sizes.max(), size >= entry.lines { return nil }
        let remedy = sizes.max().map { "lower the entry to \($0)" } ?? "remove the entry"
        return Violation(
            path: entry.path, line: 1, rule: "size",
            found:
                "SizeRatchet.swift allows \(entry.function ?? "the file") \(entry.lines) lines, which it no longer needs",
            why: "an allowance that outlives its need lets the same thing grow again",
            remedy: remedy)
    }
}
