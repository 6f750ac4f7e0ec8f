public import StepEvents

/// ``StepContext/heartbeat(_:)`` was called in an `onInterrupted` closure. It finds out what an attempt did and is none
/// itself, so there is nothing that it could record.
public struct InspectionHeartbeatError: NonRetryable, Hashable, Sendable, CustomStringConvertible {
    /// The step.
    public let step: StepKey

    package init(step: StepKey) { self.step = step }

    /// The step and what to do.
    public var description: String {
        "the onInterrupted closure of step \(step) called heartbeat; it can read the last one, and only bodies record one"
    }
}

/// What an attempt recorded by ``StepContext/heartbeat(_:)`` does not decode as the type that is asked for: the code has
/// changed since. Catch it to begin from the start.
public struct HeartbeatDecodingError: NonRetryable, Hashable, Sendable, CustomStringConvertible {
    /// The run.
    public let runID: RunID
    /// The step whose attempt recorded it.
    public let step: StepKey
    /// The type that the code asks for.
    public let type: String
    /// What is stored: `a string`, `an object` …
    public let stored: String
    /// Where in the value, and why.
    public let reason: String

    package init(runID: RunID, step: StepKey, type: String, stored: Payload, reason: String) {
        self.runID = runID
        self.step = step
        self.type = type
        self.stored = PayloadCoder.kind(of: stored)
        self.reason = reason
    }

    /// What does not decode, and what to do.
    public var description: String {
        """
        the last heartbeat of step \(step) of run \(runID), \(stored), does not decode as \(type): \(reason); make the \
        type read what is stored, or catch this error and begin from the start
        """
    }
}
