/// Where a run stands.
public enum RunStatus: UInt8, Hashable, Sendable, CaseIterable {
    /// Accepted, nothing recorded yet but its start.
    case queued = 0
    /// Executing, or waiting for an attempt's turn.
    case running = 1
    /// Nothing to do before a time, a signal or a child.
    case waiting = 2
    /// Stopped by an operator.
    case paused = 3
    /// It can't go on with the code that is here; nothing is lost.
    case held = 4
    /// The workflow returned. Final.
    case succeeded = 5
    /// The workflow failed. Final, unless an operator retries it.
    case failed = 6
    /// It was cancelled and has ended. Final.
    case cancelled = 7

    /// Whether the run has ended.
    public var isFinal: Bool { rawValue >= RunStatus.succeeded.rawValue }

    /// The name in JSON and on the command line.
    public var name: String { String(describing: self) }

    /// Reads a status by its name.
    ///
    /// - Parameter name: one of `queued running waiting paused held succeeded failed cancelled`.
    public init?(name: String) {
        guard let status = RunStatus.allCases.first(where: { $0.name == name }) else { return nil }
        self = status
    }
}
