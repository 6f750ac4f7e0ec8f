/// The run started another run and waits for it. The child's own `runStarted` is in the same commit.
package struct InvokeStarted: Hashable, Sendable {
    package var key: StepKey
    package var workflow: String
    package var child: RunID
    package var childRun: RunNumber
    package var timeoutAt: Timestamp?
    /// Whether the child is cancelled when the time runs out.
    package var cancelsOnTimeout: Bool

    package init(
        key: StepKey, workflow: String, child: RunID, childRun: RunNumber, timeoutAt: Timestamp?, cancelsOnTimeout: Bool
    ) {
        self.key = key
        self.workflow = workflow
        self.child = child
        self.childRun = childRun
        self.timeoutAt = timeoutAt
        self.cancelsOnTimeout = cancelsOnTimeout
    }
}

/// The child ended, or the time ran out.
package struct InvokeFinished: Hashable, Sendable {
    package enum Outcome: Hashable, Sendable {
        case succeeded(Payload)
        case failed(Failure)
        case cancelled
        case timedOut
    }

    package var step: StepNumber
    package var outcome: Outcome

    package init(step: StepNumber, outcome: Outcome) {
        self.step = step
        self.outcome = outcome
    }
}
