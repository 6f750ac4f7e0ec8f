/// A run exists from here on.
package struct RunStarted: Hashable, Sendable {
    package var id: RunID
    package var workflow: String
    package var version: UInt32
    /// The user's own id of the run, unique per workflow.
    package var key: String?
    package var input: Payload
    /// Where the run's random draws, jitter and child ids come from.
    package var seed: UInt64
    package var parent: Parent?

    /// The step of another run that invoked this one.
    package struct Parent: Hashable, Sendable {
        package var id: RunID
        package var run: RunNumber
        package var step: StepNumber
        /// Whether the child goes on when the parent is cancelled.
        package var detached: Bool

        package init(id: RunID, run: RunNumber, step: StepNumber, detached: Bool) {
            self.id = id
            self.run = run
            self.step = step
            self.detached = detached
        }
    }

    package init(
        id: RunID, workflow: String, version: UInt32, key: String?, input: Payload, seed: UInt64, parent: Parent? = nil
    ) {
        self.id = id
        self.workflow = workflow
        self.version = version
        self.key = key
        self.input = input
        self.seed = seed
        self.parent = parent
    }
}

/// The workflow function returned. Final.
package struct RunSucceeded: Hashable, Sendable {
    package var output: Payload
    package init(output: Payload) { self.output = output }
}

/// The run failed. Final.
package struct RunFailed: Hashable, Sendable {
    package var failure: Failure
    package init(failure: Failure) { self.failure = failure }
}

/// The run ended after it had been cancelled. Final.
package struct RunCancelled: Hashable, Sendable {
    package init() {}
}

/// The workflow function threw an error that is not a step's; it runs again at `retryAt`, its finished steps kept.
package struct RunAttemptFailed: Hashable, Sendable {
    package var failure: Failure
    package var retryAt: Timestamp

    package init(failure: Failure, retryAt: Timestamp) {
        self.failure = failure
        self.retryAt = retryAt
    }
}

/// Someone asked for the run to be cancelled.
package struct RunCancelRequested: Hashable, Sendable {
    package let by: String
    package let reason: String

    /// Texts longer than a reader of the log takes are cut.
    package init(by: String, reason: String) {
        self.by = by.cut(toBytes: Limits.errorMessageBytes)
        self.reason = reason.cut(toBytes: Limits.errorMessageBytes)
    }
}

/// The run can't go on with the code that is here. It keeps all it has.
package struct RunHeld: Hashable, Sendable {
    package var failure: Failure
    package init(failure: Failure) { self.failure = failure }
}

/// A held run is tried again.
package struct RunResumed: Hashable, Sendable {
    package init() {}
}
