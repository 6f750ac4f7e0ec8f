public import StepEvents

/// No run, or more than one, is what someone asked for.
public struct RunLookupError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of failure it is.
    public enum Code: Hashable, Sendable {
        /// No run has this id or key.
        case notFound
        /// Runs of several workflows have this key.
        case ambiguous
    }

    /// What kind of failure it is.
    public let code: Code
    /// What was asked for.
    public let text: String
    /// The runs that have the key, where they are several.
    public let candidates: [Candidate]

    /// A run that may have been meant.
    public struct Candidate: Hashable, Sendable {
        /// The run's id.
        public let run: RunID
        /// Its workflow.
        public let workflow: String
    }

    init(_ code: Code, _ text: String, candidates: [Candidate] = []) {
        self.code = code
        self.text = text
        self.candidates = candidates
    }

    /// What is wrong, and what to give instead.
    public var description: String {
        switch code {
        case .notFound: return "no run has the id or key \(text)"
        case .ambiguous:
            let list = candidates.map { "\($0.run) (\($0.workflow))" }.joined(separator: ", ")
            return "several runs have the key \(text); give an id: \(list)"
        }
    }
}
