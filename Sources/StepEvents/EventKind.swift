/// The kinds of event, with the numbers that stand in the log. A number is never given to another kind.
package enum EventKind: UInt8, Sendable, CaseIterable {
    case runStarted = 1
    case runSucceeded = 2
    case runFailed = 3
    case runCancelled = 4
    /// The workflow function threw something other than a `StepError`; it is called again at the recorded time.
    case runAttemptFailed = 5
    case runCancelRequested = 6
    case runHeld = 7
    case runResumed = 8

    case stepStarted = 16
    case stepSucceeded = 17
    case stepFailed = 18
    case stepInterrupted = 19
    case stepCancelled = 20
    case stepHeartbeat = 21

    case slept = 32
    case woke = 33
    case waitStarted = 34
    case waitResolved = 35
    case waitTimedOut = 36
    case waitCancelled = 37
    case signalSent = 38
    case signalRejected = 39
    case signalDelivered = 40
    case signalQueued = 41

    case invokeStarted = 48
    case invokeFinished = 49

    /// Events of the store itself, run number 0.
    case commitRecord = 64
    case signalKept = 65
    case signalTaken = 66
    case signalExpired = 67

    /// The name in JSON and in messages.
    package var name: String { String(describing: self) }

    /// Whether events of this kind belong to the store, not to a run.
    package var belongsToStore: Bool { rawValue >= EventKind.commitRecord.rawValue }
}
