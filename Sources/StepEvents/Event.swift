/// One immutable fact about a run, or about the store.
///
/// What the log adds when it is written (its LSN and that of the run's previous event) is in ``LoggedEvent``.
package struct Event: Hashable, Sendable {
    package var run: RunNumber
    /// Place in the run's history: dense, from 0. Always 0 for events of the store.
    package var sequence: UInt32
    /// Fixed when the event was accepted; never runs backwards within a run.
    package var time: Timestamp
    /// Sequence of the last item that had been handed to the workflow when the code asked for this, or `nil` for
    /// events that the code did not ask for.
    package var after: UInt32?
    package var body: EventBody

    package init(run: RunNumber, sequence: UInt32, time: Timestamp, after: UInt32? = nil, body: EventBody) {
        self.run = run
        self.sequence = sequence
        self.time = time
        self.after = after
        self.body = body
    }

    package var kind: EventKind { body.kind }
}

/// An event with its place in the log.
package struct LoggedEvent: Hashable, Sendable {
    package var lsn: LSN
    /// The previous event of the same run; zero for its first. For a commit record: the previous commit record.
    package var previous: LSN
    package var event: Event

    package init(lsn: LSN, previous: LSN, event: Event) {
        self.lsn = lsn
        self.previous = previous
        self.event = event
    }
}

/// What happened. One case for each kind, with a struct in the past tense.
package enum EventBody: Hashable, Sendable {
    case runStarted(RunStarted)
    case runSucceeded(RunSucceeded)
    case runFailed(RunFailed)
    case runCancelled(RunCancelled)
    case runAttemptFailed(RunAttemptFailed)
    case runCancelRequested(RunCancelRequested)
    case runHeld(RunHeld)
    case runResumed(RunResumed)
    case stepStarted(StepStarted)
    case stepSucceeded(StepSucceeded)
    case stepFailed(StepFailed)
    case stepInterrupted(StepInterrupted)
    case stepCancelled(StepCancelled)
    case stepHeartbeat(StepHeartbeat)
    case slept(Slept)
    case woke(Woke)
    case waitStarted(WaitStarted)
    case waitResolved(WaitResolved)
    case waitTimedOut(WaitTimedOut)
    case waitCancelled(WaitCancelled)
    case signalSent(SignalSent)
    case signalRejected(SignalRejected)
    case signalDelivered(SignalDelivered)
    case signalQueued(SignalQueued)
    case invokeStarted(InvokeStarted)
    case invokeFinished(InvokeFinished)
    case commitRecord(CommitRecord)
    case signalKept(SignalKept)
    case signalTaken(SignalTaken)
    case signalExpired(SignalExpired)

    package var kind: EventKind {
        switch self {
        case .runStarted: .runStarted
        case .runSucceeded: .runSucceeded
        case .runFailed: .runFailed
        case .runCancelled: .runCancelled
        case .runAttemptFailed: .runAttemptFailed
        case .runCancelRequested: .runCancelRequested
        case .runHeld: .runHeld
        case .runResumed: .runResumed
        case .stepStarted: .stepStarted
        case .stepSucceeded: .stepSucceeded
        case .stepFailed: .stepFailed
        case .stepInterrupted: .stepInterrupted
        case .stepCancelled: .stepCancelled
        case .stepHeartbeat: .stepHeartbeat
        case .slept: .slept
        case .woke: .woke
        case .waitStarted: .waitStarted
        case .waitResolved: .waitResolved
        case .waitTimedOut: .waitTimedOut
        case .waitCancelled: .waitCancelled
        case .signalSent: .signalSent
        case .signalRejected: .signalRejected
        case .signalDelivered: .signalDelivered
        case .signalQueued: .signalQueued
        case .invokeStarted: .invokeStarted
        case .invokeFinished: .invokeFinished
        case .commitRecord: .commitRecord
        case .signalKept: .signalKept
        case .signalTaken: .signalTaken
        case .signalExpired: .signalExpired
        }
    }
}
