/// An attempt of a step's body may begin once this is durable. The first attempt introduces the step and carries its
/// key; later ones name the step by number.
package struct StepStarted: Hashable, Sendable {
    package enum Step: Hashable, Sendable {
        case new(StepKey)
        case again(StepNumber)
    }

    package var step: Step
    /// From 1. Every start of the body counts, interrupted ones included.
    package var attempt: UInt32

    package init(step: Step, attempt: UInt32) {
        self.step = step
        self.attempt = attempt
    }
}

/// The body's result is recorded: the body never runs again.
package struct StepSucceeded: Hashable, Sendable {
    package var step: StepNumber
    package var result: Payload

    package init(step: StepNumber, result: Payload) {
        self.step = step
        self.result = result
    }
}

/// An attempt failed.
package struct StepFailed: Hashable, Sendable {
    package var step: StepNumber
    package var failure: Failure
    /// When the next attempt begins; `nil` when there is none and the error goes to the workflow.
    package var retryAt: Timestamp?

    package init(step: StepNumber, failure: Failure, retryAt: Timestamp?) {
        self.step = step
        self.failure = failure
        self.retryAt = retryAt
    }
}

/// An attempt was cut off.
package struct StepInterrupted: Hashable, Sendable {
    package enum Reason: UInt8, Hashable, Sendable {
        /// The process died; what the body had done by then is unknown. Counted against `maxInterruptions`.
        case crash = 0
        /// The engine was shut down in order while the body ran. Not counted.
        case shutdown = 1
        /// The engine was shut down in order before the body began. Not counted, and no reason to ask what it did.
        case notBegun = 2
        /// No interruption of its own: what the interrupted attempt did is about to be found out. The process that does
        /// so may die of it, which is then recorded as a further crash.
        case inspection = 3
    }

    package var step: StepNumber
    package var reason: Reason

    package init(step: StepNumber, reason: Reason) {
        self.step = step
        self.reason = reason
    }
}

/// The workflow cancelled the step before it ended (a race's loser). Its late result is discarded.
package struct StepCancelled: Hashable, Sendable {
    package var step: StepNumber
    package init(step: StepNumber) { self.step = step }
}

/// The body of the attempt that runs told how far it has come. It ends nothing and is not handed to the workflow; the
/// details are there for the step's later attempts, and those of one heartbeat take the place of the one before.
package struct StepHeartbeat: Hashable, Sendable {
    package var step: StepNumber
    package var details: Payload

    package init(step: StepNumber, details: Payload) {
        self.step = step
        self.details = details
    }
}
