public import StepEvents

/// A step id, group name or signal name is empty or too long.
public struct InvalidStepID: NonRetryable, Hashable, Sendable, CustomStringConvertible {
    /// The id as it was given, at most 64 characters of it.
    public let id: String
    /// What is wrong with it and what to do.
    public let reason: String

    package init(id: String, reason: String) {
        self.id = String(id.prefix(64))
        self.reason = reason
    }

    /// The id and what is wrong with it.
    public var description: String { "step id \"\(id)\": \(reason)" }
}

/// The same id was asked for again in one scope while the earlier one had not ended, so the order of arrival would
/// decide whose result is whose. Give each its own `step.group`, or its own id.
public struct AmbiguousStepError: NonRetryable, Hashable, Sendable, CustomStringConvertible {
    /// The scope and id that both asked for.
    public let scope: String
    /// The id.
    public let id: String
    /// Where the earlier call stands, and where this one does.
    public let first: String
    /// Where this call stands.
    public let second: String

    package init(scope: String, id: String, first: String, second: String) {
        self.scope = scope
        self.id = id
        self.first = first
        self.second = second
    }

    /// Both places and what to do.
    public var description: String {
        let name = scope.isEmpty ? id : "\(scope)/\(id)"
        return """
            step "\(name)" was asked for at \(second) while the one asked for at \(first) is still pending; \
            open a step.group for each, or give them ids of their own
            """
    }
}

/// A step method was called inside a step's body. A body is one durable operation; it can't contain others.
public struct NestedStepError: NonRetryable, Hashable, Sendable, CustomStringConvertible {
    /// The step that was called.
    public let step: String
    /// The step whose body called it.
    public let inside: String

    package init(step: String, inside: String) {
        self.step = step
        self.inside = inside
    }

    /// Both steps and what to do.
    public var description: String {
        "step \"\(step)\" was called inside the body of step \"\(inside)\"; call it from the workflow function instead"
    }
}

/// A step method was called after the workflow function had returned, by a task that it left behind.
public struct StepOutsideRunError: NonRetryable, Hashable, Sendable, CustomStringConvertible {
    /// The run.
    public let runID: RunID
    /// The step that was called.
    public let step: String

    package init(runID: RunID, step: String) {
        self.runID = runID
        self.step = step
    }

    /// The step and what to do.
    public var description: String {
        "step \"\(step)\" of run \(runID) was called after its workflow function had returned; await every child task"
    }
}

/// A value can't be stored: it does not encode, what it encodes to does not decode, or it is too large.
public struct ResultEncodingError: NonRetryable, Hashable, Sendable, CustomStringConvertible {
    /// What the value was: a step's result, a workflow's output …
    public let what: String
    /// The value's type.
    public let type: String
    /// Why it can't be stored.
    public let reason: String

    package init(what: String, type: String, reason: String) {
        self.what = what
        self.type = type
        self.reason = reason
    }

    /// What can't be stored, and why.
    public var description: String { "\(what) of type \(type) can't be stored: \(reason)" }
}

/// A stored value no longer decodes as the type that the code asks for. The run is held and keeps all it has.
public struct ResultDecodingError: NonRetryable, Hashable, Sendable, CustomStringConvertible {
    /// The run.
    public let runID: RunID
    /// The step whose result it is.
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
        the stored result of step \(step) of run \(runID), \(stored), does not decode as \(type): \(reason); make the \
        type read what is stored and start the engine again
        """
    }
}

/// An attempt ran longer than the step's timeout. It counts as a failed attempt.
public struct StepTimeoutError: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    /// The timeout in seconds.
    public let seconds: Double

    package init(_ timeout: Duration) { seconds = Double(timeout.clampedNanoseconds) / 1e9 }

    /// How long the attempt had.
    public var description: String { "the attempt did not end within \(seconds) s" }
}

/// The process died while the step's body ran, and the step is not to be tried again.
public struct StepInterruptedError: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    /// How often the body was interrupted.
    public let interruptions: Int

    package init(interruptions: Int) { self.interruptions = interruptions }

    /// How often, and what that means.
    public var description: String {
        "the process ended \(interruptions) \(interruptions == 1 ? "time" : "times") while the step's body ran"
    }
}

/// A child did not end in time.
public struct InvokeTimeoutError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The child's run.
    public let runID: RunID
    /// The step that invoked it.
    public let step: StepKey

    package init(runID: RunID, step: StepKey) {
        self.runID = runID
        self.step = step
    }

    /// The child and the step.
    public var description: String { "run \(runID), invoked by step \(step), did not end in time" }
}

/// Thrown from step calls while the engine takes the run out of memory. Never catch it without throwing it on: the
/// run continues from its history later, and whatever the function does now is ignored. A step that a task asks for
/// after it was thrown there is logged as a warning that names both calls.
public struct RunUnwinding: Error, Sendable, CustomStringConvertible {
    package init() {}

    /// What this is.
    public var description: String { "the run is being taken out of memory and continues later; throw this error on" }
}
