public import StepEvents

/// No engine is running here that could bring the run forward. Run the client as a service, or use
/// `Client.withClient`.
public struct EngineNotRunning: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was asked for.
    public let operation: String

    package init(operation: String) { self.operation = operation }

    /// What was asked for and what to do.
    public var description: String {
        "\(operation) needs a running engine: add the client to a ServiceGroup, or use Client.withClient"
    }
}

/// Too much waits to be written; nothing was stored. Try again in a moment.
public struct EngineBusy: Error, Hashable, Sendable, CustomStringConvertible {
    package init() {}

    /// Whether trying again can help.
    public var isRetryable: Bool { true }

    /// What to do.
    public var description: String { "too many commands wait to be written; nothing was stored, try again shortly" }
}

/// The engine stopped, by itself or by request, before the answer was known. What had been accepted continues when an
/// engine runs again.
public struct EngineStopped: Error, Sendable, CustomStringConvertible {
    /// Why it stopped.
    public let reason: String

    package init(reason: String) { self.reason = reason }

    /// Why it stopped.
    public var description: String { "the engine stopped: \(reason)" }
}

/// An input was refused; nothing was stored.
public struct InvalidInputError: NonRetryable, Hashable, Sendable, CustomStringConvertible {
    /// The workflow.
    public let workflow: String
    /// What is wrong, with the coding path where there is one.
    public let reason: String

    package init(workflow: String, reason: String) {
        self.workflow = workflow
        self.reason = reason
    }

    /// The workflow and what is wrong.
    public var description: String { "the input of workflow \"\(workflow)\" was refused: \(reason)" }
}

/// A payload is larger than the client allows; nothing was stored.
public struct PayloadTooLarge: NonRetryable, Hashable, Sendable, CustomStringConvertible {
    /// What the payload was, with the run and step where there are ones.
    public let what: String
    /// Its size in bytes.
    public let bytes: Int
    /// The limit in bytes.
    public let limit: Int

    package init(what: String, bytes: Int, limit: Int) {
        self.what = what
        self.bytes = bytes
        self.limit = limit
    }

    /// The sizes and what to do.
    public var description: String {
        "\(what) has \(bytes) bytes, more than the \(limit) allowed; store it elsewhere and pass a reference"
    }
}

/// The key is taken by a run with another input.
public struct RunKeyConflict: Error, Hashable, Sendable, CustomStringConvertible {
    /// The workflow.
    public let workflow: String
    /// The key.
    public let key: String
    /// The run that has it.
    public let existing: RunID

    package init(workflow: String, key: String, existing: RunID) {
        self.workflow = workflow
        self.key = key
        self.existing = existing
    }

    /// Who has the key and what to do.
    public var description: String {
        """
        run \(existing) of workflow "\(workflow)" has the id "\(key)" with another input; use another id, or start \
        with the same input to get that run
        """
    }
}

/// There is no such run.
public struct RunNotFound: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was looked for.
    public let name: String

    package init(name: String) { self.name = name }

    /// What was looked for.
    public var description: String { "there is no run \(name) in this store" }
}

/// The run failed.
public struct RunFailedError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The run.
    public let runID: RunID
    /// What was recorded of the error that ended it.
    public let failure: Failure

    package init(runID: RunID, failure: Failure) {
        self.runID = runID
        self.failure = failure
    }

    /// The original error, decoded from what was recorded.
    ///
    /// - Parameter type: the type that was thrown.
    /// - Returns: `nil` when another type was thrown, it was not `Encodable`, or it no longer decodes.
    public func original<Original: Error & Decodable>(as type: Original.Type) -> Original? {
        guard failure.type == String(reflecting: type), let fields = failure.fields else { return nil }
        return try? PayloadCoder.decode(type, from: fields)
    }

    /// The run and why it failed.
    public var description: String { "run \(runID) failed: \(failure.message) (\(failure.type))" }
}

/// The run was cancelled.
public struct RunCancelledError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The run.
    public let runID: RunID
    /// Who cancelled it.
    public let by: String
    /// Why.
    public let reason: String

    package init(runID: RunID, by: String, reason: String) {
        self.runID = runID
        self.by = by
        self.reason = reason
    }

    /// The run, who cancelled it and why.
    public var description: String {
        "run \(runID) was cancelled by \(by)" + (reason.isEmpty ? "" : ": \(reason)")
    }
}

/// A signal reached a run that waits for it, but its data has another shape. The wait goes on.
public struct InvalidPayloadError: NonRetryable, Hashable, Sendable, CustomStringConvertible {
    /// The signal's name.
    public let signal: String
    /// The run that waits.
    public let runID: RunID
    /// Why the data does not decode.
    public let reason: String

    package init(signal: String, runID: RunID, reason: String) {
        self.signal = signal
        self.runID = runID
        self.reason = reason
    }

    /// The signal, the run and why.
    public var description: String {
        "signal \"\(signal)\" was rejected by run \(runID), which goes on waiting: \(reason)"
    }
}

/// The code and the history of a run do not fit. The run is held and keeps all it has.
public struct DivergenceError: NonRetryable, Hashable, Sendable, CustomStringConvertible {
    /// The run.
    public let runID: RunID
    /// The step.
    public let step: StepKey
    /// What the history holds under that key.
    public let recorded: String
    /// What the code asks for.
    public let asked: String
    /// Where the code asks for it.
    public let site: String

    package init(runID: RunID, step: StepKey, recorded: String, asked: String, site: String) {
        self.runID = runID
        self.step = step
        self.recorded = recorded
        self.asked = asked
        self.site = site
    }

    /// Both sides and what to do.
    public var description: String {
        """
        run \(runID) recorded \(recorded) under \(step), but the code at \(site) asks for \(asked); give the new step \
        an id of its own, or run the code that made the history
        """
    }
}

/// A driver can't do what was asked of it. Thrown before anything runs.
public struct UnsupportedByDriver: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was asked for.
    public let feature: String
    /// The driver.
    public let driver: String

    package init(feature: String, driver: String) {
        self.feature = feature
        self.driver = driver
    }

    /// Both.
    public var description: String { "the \(driver) driver can't do this: \(feature)" }
}

/// A workflow can't be registered.
public struct RegistrationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The workflow.
    public let workflow: String
    /// What is wrong.
    public let reason: String

    package init(workflow: String, reason: String) {
        self.workflow = workflow
        self.reason = reason
    }

    /// The workflow and what is wrong.
    public var description: String { "workflow \"\(workflow)\" can't be registered: \(reason)" }
}
