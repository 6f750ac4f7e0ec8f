/// The run sleeps until a time, which is fixed here.
package struct Slept: Hashable, Sendable {
    package var key: StepKey
    package var until: Timestamp

    package init(key: StepKey, until: Timestamp) {
        self.key = key
        self.until = until
    }
}

/// The time has come.
package struct Woke: Hashable, Sendable {
    package var step: StepNumber
    package init(step: StepNumber) { self.step = step }
}

/// The run waits for a signal.
package struct WaitStarted: Hashable, Sendable {
    package var key: StepKey
    package var signal: String
    package var timeoutAt: Timestamp?

    package init(key: StepKey, signal: String, timeoutAt: Timestamp?) {
        self.key = key
        self.signal = signal
        self.timeoutAt = timeoutAt
    }
}

/// The signal came.
package struct WaitResolved: Hashable, Sendable {
    package var step: StepNumber
    package var payload: Payload
    /// By what the sender would recognise the signal if it sent it again, if it gave anything.
    package var mark: SignalMark?

    package init(step: StepNumber, payload: Payload, mark: SignalMark? = nil) {
        self.step = step
        self.payload = payload
        self.mark = mark
    }
}

/// By what a signal is recognised that is sent again.
package enum SignalMark: Hashable, Sendable {
    /// An idempotency key of the sender's, among signals of one name.
    case key(String)
    /// The step of a run that sends it.
    case step(RunNumber, StepNumber)

    /// The key that the sender gave.
    package var key: String? { if case .key(let key) = self { key } else { nil } }
}

/// A signal came for the wait while the run could not go on: it was held, or its code was not there. It is given to the
/// wait when the code comes to it.
package struct SignalQueued: Hashable, Sendable {
    package var step: StepNumber
    package var payload: Payload
    package var mark: SignalMark?

    package init(step: StepNumber, payload: Payload, mark: SignalMark? = nil) {
        self.step = step
        self.payload = payload
        self.mark = mark
    }
}

/// The time ran out before the signal came.
package struct WaitTimedOut: Hashable, Sendable {
    package var step: StepNumber
    package init(step: StepNumber) { self.step = step }
}

/// The workflow cancelled a sleep, a wait or an invocation before it ended.
package struct WaitCancelled: Hashable, Sendable {
    package var step: StepNumber
    package init(step: StepNumber) { self.step = step }
}

/// The workflow is to send a signal; sent once, however often the run is replayed.
package struct SignalSent: Hashable, Sendable {
    package var key: StepKey
    package var signal: String
    package var payload: Payload
    /// How long the signal is kept when nobody waits; `nil` drops it.
    package var keepUntil: Timestamp?

    package init(key: StepKey, signal: String, payload: Payload, keepUntil: Timestamp?) {
        self.key = key
        self.signal = signal
        self.payload = payload
        self.keepUntil = keepUntil
    }
}

/// The signal that the workflow sent has reached its receiver, is kept, or was dropped.
package struct SignalDelivered: Hashable, Sendable {
    package var step: StepNumber
    /// The run that got it; run 0 when nobody waited.
    package var to: RunNumber

    package init(step: StepNumber, to: RunNumber) {
        self.step = step
        self.to = to
    }
}

/// A signal reached the wait but its payload has the wrong shape; the wait goes on.
package struct SignalRejected: Hashable, Sendable {
    package var step: StepNumber
    package var payload: Payload
    package var failure: Failure

    package init(step: StepNumber, payload: Payload, failure: Failure) {
        self.step = step
        self.payload = payload
        self.failure = failure
    }
}
