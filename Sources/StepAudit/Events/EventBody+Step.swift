import StepEvents

extension EventBody {
    /// The step that the event names by number; `nil` for events that introduce one and for those about no step.
    var step: StepNumber? {
        switch self {
        case .stepStarted(let body): if case .again(let number) = body.step { number } else { nil }
        case .stepSucceeded(let body): body.step
        case .stepFailed(let body): body.step
        case .stepInterrupted(let body): body.step
        case .stepCancelled(let body): body.step
        case .stepHeartbeat(let body): body.step
        case .woke(let body): body.step
        case .waitResolved(let body): body.step
        case .waitTimedOut(let body): body.step
        case .waitCancelled(let body): body.step
        case .signalRejected(let body): body.step
        case .signalDelivered(let body): body.step
        case .signalQueued(let body): body.step
        case .invokeFinished(let body): body.step
        case .runStarted, .runSucceeded, .runFailed, .runCancelled, .runAttemptFailed, .runCancelRequested, .runHeld,
            .runResumed, .slept, .waitStarted, .signalSent, .invokeStarted, .commitRecord, .signalKept, .signalTaken,
            .signalExpired:
            nil
        }
    }

    /// Whether the event is the last about its step.
    var closesStep: Bool {
        switch self {
        case .stepSucceeded, .stepCancelled, .woke, .waitResolved, .waitTimedOut, .waitCancelled, .signalDelivered,
            .invokeFinished:
            true
        case .stepFailed(let body): body.retryAt == nil
        case .stepStarted, .stepInterrupted, .stepHeartbeat, .signalRejected, .signalQueued, .runStarted, .runSucceeded,
            .runFailed, .runCancelled, .runAttemptFailed, .runCancelRequested, .runHeld, .runResumed, .slept,
            .waitStarted, .signalSent, .invokeStarted, .commitRecord, .signalKept, .signalTaken, .signalExpired:
            false
        }
    }
}

extension Event {
    /// The step that the event introduces, which from then on goes by the event's sequence.
    var introducedStep: StepResolver.KnownStep? {
        switch body {
        case .stepStarted(let body):
            if case .new(let key) = body.step {
                StepResolver.KnownStep(key: key, attempt: body.attempt)
            } else {
                nil
            }
        case .slept(let body): StepResolver.KnownStep(key: body.key)
        case .waitStarted(let body): StepResolver.KnownStep(key: body.key)
        case .signalSent(let body): StepResolver.KnownStep(key: body.key)
        case .invokeStarted(let body): StepResolver.KnownStep(key: body.key)
        default: nil
        }
    }
}

extension EventKind {
    var endsRun: Bool {
        switch self {
        case .runSucceeded, .runFailed, .runCancelled: true
        default: false
        }
    }
}
