/// Calls that only named files may make: the clock, randomness, real sleeping, and what ends a process.
struct CallRule {
    enum Kind: String, Sendable, CaseIterable {
        case clock, randomness, sleep, trap, exit
    }

    struct Call: Sendable {
        var text: String
        var kind: Kind
        /// A call that names its own generator is as repeatable as that generator.
        var fineWithGenerator = false
    }

    /// Where calls of some kinds may stand, and why there.
    struct Exemption: Sendable {
        /// A file, or a folder and all below it when it ends in `/`.
        var path: String
        var kinds: Set<Kind>
        var reason: String

        func covers(_ path: String) -> Bool {
            self.path.hasSuffix("/") ? path.hasPrefix(self.path) : path == self.path
        }
    }

    var exemptions: [Exemption]

    func violations(in files: [SourceFile]) -> [Violation] {
        var used = Set<String>()
        var violations: [Violation] = []
        for file in files {
            for call in Self.calls where applies(call.kind, to: file.path) {
                let offsets = occurrences(of: call.text, in: file.code).filter { counts($0, call, in: file) }
                guard !offsets.isEmpty else { continue }
                let exempting = exemptions.filter { $0.kinds.contains(call.kind) && $0.covers(file.path) }
                used.formUnion(exempting.map(\.path))
                if exempting.isEmpty {
                    violations += offsets.map { violation(call, in: file, line: file.line(at: $0)) }
                }
            }
        }
        return violations + exemptions.compactMap { stale($0, files: files, used: used) }
    }

    /// Traps and exits concern the library alone: a test or a command line tool may end its own process.
    private func applies(_ kind: Kind, to path: String) -> Bool {
        switch kind {
        case .clock, .randomness, .sleep: true
        case .trap: path.hasPrefix("Sources/")
        case .exit: path.hasPrefix("Sources/") && !path.hasPrefix("Sources/StepKitCLI/")
        }
    }

    private func counts(_ offset: Int, _ call: Call, in file: SourceFile) -> Bool {
        if call.kind == .exit {
            // A method of that name, called or declared, ends nothing.
            let before = file.code[..<offset].suffix(5)
            return before.last != UInt8(ascii: ".") && !before.elementsEqual("func ".utf8)
        }
        if call.fineWithGenerator {
            let arguments = Array(argumentText(openedAt: offset + call.text.utf8.count - 1, in: file.code))
            return occurrences(of: "using", in: arguments).isEmpty
        }
        return true
    }

    private func violation(_ call: Call, in file: SourceFile, line: Int) -> Violation {
        Violation(
            path: file.path, line: line, rule: call.kind.rawValue, found: "`\(call.text)` stands here",
            why: call.kind.why, remedy: call.kind.remedy)
    }

    /// A file must need its exemption. One for a file that is not there yet does no harm, and one for a folder says what
    /// the folder is for.
    private func stale(_ exemption: Exemption, files: [SourceFile], used: Set<String>) -> Violation? {
        guard files.contains(where: { $0.path == exemption.path }), !used.contains(exemption.path) else { return nil }
        return Violation(
            path: exemption.path, line: 1, rule: "exemption",
            found:
                "CallExemptions.swift allows \(exemption.kinds.map(\.rawValue).sorted().joined(separator: ", ")) here, "
                + "which nothing here uses",
            why: "an exemption nobody needs hides the next call that should not be there",
            remedy: "remove the entry")
    }
}

extension CallRule.Kind {
    fileprivate var why: String {
        switch self {
        case .clock: "code that reads the real clock cannot be replayed or simulated"
        case .randomness: "a failure whose random draws have no seed cannot be repeated"
        case .sleep: "real waiting makes tests slow and dependent on the machine's load, and blocks simulation"
        case .trap: "the library would end its user's process over something it can report"
        case .exit: "a library never ends its user's process"
        }
    }

    fileprivate var remedy: String {
        switch self {
        case .clock: "take the time from the injected clock"
        case .randomness: "draw from the injected generator, `using:` it"
        case .sleep: "wait on the injected clock, or for the event itself"
        case .trap:
            "throw a typed error that says what to do; for what truly cannot happen add an entry with its "
                + "reason to CallExemptions.swift"
        case .exit: "throw, or return to the caller"
        }
    }
}
