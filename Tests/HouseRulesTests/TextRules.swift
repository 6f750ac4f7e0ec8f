/// Rules about words, wherever they stand: in code, comments, documents and scripts.
enum TextRules {
    /// The prefix of LMDB's C functions, written in two parts so that this file keeps the rule.
    private static let callPrefix = "mdb" + "_"
    private static let callFile = "Sources/LMDB/LMDBCalls.swift"

    /// A floor is measured with the database alone, so it must not go through the file above.
    private static let floorFile = "Benchmarks/Sources/StepKitBenchmarks/BareDatabase.swift"

    /// One file names LMDB's C functions, comments included.
    static func cCalls(in files: [SourceFile]) -> [Violation] {
        files.filter { $0.path != callFile && $0.path != floorFile }.flatMap { file in
            plainOccurrences(of: Array(callPrefix.utf8), in: file.text).map { offset in
                Violation(
                    path: file.path, line: file.line(at: offset), rule: "one file for LMDB's calls",
                    found: "`\(callPrefix)` stands here",
                    why: "with all calls in one file, one reading shows whether LMDB's rules are kept",
                    remedy: "call, or speak of, the Swift name that \(callFile) gives it")
            }
        }
    }

    /// Nothing unfinished lands.
    static func leftovers(in files: [SourceFile]) -> [Violation] {
        let words = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]
        return files.flatMap { file in
            words.flatMap { word in
                occurrences(of: word, in: file.text).map { offset in
                    Violation(
                        path: file.path, line: file.line(at: offset), rule: "leftovers", found: "\(word) stands here",
                        why: "what lands is finished; what isn't belongs into an issue, where it is seen",
                        remedy: "do it, or remove the words")
                }
            }
        }
    }

    /// Folders of one machine, written in two parts so that this file keeps the rule.
    private static let machineFolders = ["/wo" + "rk/", "/ho" + "me/", "/ro" + "ot/", "/Us" + "ers/"]

    /// No path of the machine that something was written on.
    static func machinePaths(in files: [SourceFile]) -> [Violation] {
        files.flatMap { file in
            machineFolders.flatMap { folder in
                plainOccurrences(of: Array(folder.utf8), in: file.text).filter { offset in
                    // Part of a longer path, it is a folder's name like any other.
                    guard offset > 0 else { return true }
                    let before = file.text[offset - 1]
                    return !isWordByte(before) && !".-~}".utf8.contains(before)
                }.map { offset in
                    Violation(
                        path: file.path, line: file.line(at: offset), rule: "machine paths",
                        found: "a path begins with \(folder)", why: "it is wrong on every other machine",
                        remedy: "write it relative to the repository, or as something every machine has")
                }
            }
        }
    }

    /// What switches a check of the compiler off says what takes its place.
    static func unexplainedUnchecked(in files: [SourceFile]) -> [Violation] {
        files.flatMap { file in
            ["@unchecked Sendable", "nonisolated(unsafe)", "@unsafe", "unowned(unsafe)"].flatMap { text in
                occurrences(of: text, in: file.code).map(file.line(at:)).filter { line in
                    !file.hasComment(in: line - 3...line)
                }.map { line in
                    Violation(
                        path: file.path, line: line, rule: "unchecked", found: "`\(text)` without a comment",
                        why: "the compiler no longer proves it, so a reader has to be able to",
                        remedy: "say in the three lines above, or on the line, what protects the state")
                }
            }
        }
    }
}
