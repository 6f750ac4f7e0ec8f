/// The engine of a store can't be reached from this process, or the connection to it ended before it answered.
///
/// Start the process that executes the runs, then ask again: the client connects anew by itself. What the engine had
/// accepted is not lost.
public struct EngineUnreachable: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was asked for.
    public let operation: String
    /// The store's directory.
    public let path: String
    /// The process that has the store open, or had it last, where that is known.
    public let pid: Int32?
    /// What the system said.
    public let reason: String
    /// Whether the engine may have done what it was asked for. When false it certainly was not asked.
    public let mayHaveHappened: Bool

    package init(operation: String, path: String, pid: Int32?, reason: String, mayHaveHappened: Bool) {
        self.operation = operation
        self.path = path
        self.pid = pid
        self.reason = reason
        self.mayHaveHappened = mayHaveHappened
    }

    /// Whether trying again can help. After a start that ``mayHaveHappened`` it is safe where the run was given an id:
    /// the same id and input give the same run. A signal is safe with its idempotency key.
    public var isRetryable: Bool { true }

    /// What happened and what to do.
    public var description: String {
        let process = pid.map { " (the last that had the store open is process \($0))" } ?? ""
        let what =
            mayHaveHappened
            ? "the connection to the engine of store \(path) ended while it was asked for: \(operation): \(reason)"
            : "\(operation) needs the engine of store \(path), which can't be reached: \(reason)"
        let advice =
            mayHaveHappened
            ? "It may have been done. Asking again is safe for a start with an id and for a signal with an idempotency key"
            : "Start the process that executes its runs, then try again"
        return "\(what)\(process). \(advice)"
    }
}

/// An error of the engine in another process that has no type of its own in this one.
public struct RemoteEngineError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The name of the error's type in the engine's process, with its module.
    public let type: String
    /// What the error said of itself.
    public let message: String

    package init(type: String, message: String) {
        self.type = type
        self.message = message
    }

    /// The message and the type.
    public var description: String { "\(message) (\(type))" }
}
