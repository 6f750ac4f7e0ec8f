import StepEvents

/// A state that a run can be in, by the history that leads to it. Where it has an open step, that is number 1.
enum StateCase: String, CaseIterable, Sendable {
    case queued, betweenSteps, attemptRunning, attemptBeating, attemptFailed, attemptInterrupted, sleeping
    case waitingForSignal, signalQueued, heldWithSignal
    case waitingForChild, sending, functionFailed, cancelling, held, heldAndCancelling, succeeded, failed, cancelled

    static let run = RunNumber(3)
    static let step = StepNumber(1)
    static let failure = Failure(type: "T", message: "m")

    static func second(_ second: Int) -> Timestamp { Timestamp(nanoseconds: Int64(second) * 1_000_000_000) }

    static func history(_ bodies: [EventBody]) -> [Event] {
        bodies.enumerated().map { index, body in
            Event(run: run, sequence: UInt32(index), time: second(index), body: body)
        }
    }

    static let start = RunStarted(
        id: RunID(high: 1, low: 2), workflow: "flow", version: 1, key: nil, input: .null, seed: 1)

    /// The histories differ in their last event from states that have fewer.
    var bodies: [EventBody] {
        let attempt = StepStarted(step: .new(StepKey(scope: "", id: "a", occurrence: 0)), attempt: 1)
        let running: [EventBody] = [.runStarted(Self.start), .stepStarted(attempt)]
        let step = Self.step
        let cancel = EventBody.runCancelRequested(RunCancelRequested(by: "ops", reason: ""))
        return switch self {
        case .queued: [.runStarted(Self.start)]
        case .betweenSteps: running + [.stepSucceeded(StepSucceeded(step: step, result: .null))]
        case .attemptRunning: running
        case .attemptBeating: running + [EventCase.stepHeartbeat.body]
        case .attemptFailed:
            running + [.stepFailed(StepFailed(step: step, failure: Self.failure, retryAt: Self.second(90)))]
        case .attemptInterrupted: running + [.stepInterrupted(StepInterrupted(step: step, reason: .crash))]
        case .sleeping, .waitingForSignal, .waitingForChild, .sending:
            [.runStarted(Self.start), EventCase.introducing(self).body]
        case .signalQueued: StateCase.waitingForSignal.bodies + [EventCase.signalQueued.body]
        case .heldWithSignal: StateCase.signalQueued.bodies + [EventCase.runHeld.body]
        case .functionFailed: [.runStarted(Self.start), EventCase.runAttemptFailed.body]
        case .cancelling: running + [cancel]
        case .held: running + [EventCase.runHeld.body]
        case .heldAndCancelling: running + [EventCase.runHeld.body, cancel]
        case .succeeded: running + [EventCase.runSucceeded.body]
        case .failed: running + [EventCase.runFailed.body]
        case .cancelled: running + [cancel, .runCancelled(RunCancelled())]
        }
    }

    func state() throws -> RunState { try RunState(history: Self.history(bodies)) }

    /// What the state takes, by the rules in words: everything else it refuses.
    var legal: Set<EventCase> {
        let running: Set<EventCase> = [
            .runSucceeded, .runFailed, .runAttemptFailed, .runCancelRequested, .runHeld, .stepStarted, .slept,
            .waitStarted, .signalSent, .invokeStarted,
        ]
        return switch self {
        case .queued, .betweenSteps, .functionFailed: running
        case .attemptRunning, .attemptBeating:
            running.union([
                .stepSucceeded, .stepFailedRetry, .stepFailedFinal, .stepInterrupted, .stepHeartbeat, .stepCancelled,
            ])
        case .attemptFailed: running.union([.stepStartedAgain, .stepCancelled])
        case .attemptInterrupted:
            running.union([
                .stepStartedAgain, .stepSucceeded, .stepFailedFinal, .stepInterrupted, .stepInspected, .stepCancelled,
            ])
        case .sleeping: running.union([.woke, .waitCancelled])
        case .waitingForSignal:
            running.union([.waitResolved, .waitTimedOut, .signalRejected, .waitCancelled, .signalQueued])
        case .signalQueued: running.union([.waitResolved, .waitTimedOut, .signalRejected, .waitCancelled])
        case .heldWithSignal: [.runResumed, .runCancelRequested]
        case .waitingForChild: running.union([.invokeFinished, .waitCancelled])
        case .sending: running.union([.signalDelivered])
        case .cancelling:
            running.subtracting([.runCancelRequested]).union([
                .runCancelled, .stepSucceeded, .stepFailedRetry, .stepFailedFinal, .stepInterrupted, .stepHeartbeat,
                .stepCancelled,
            ])
        case .held: [.runResumed, .runCancelRequested]
        case .heldAndCancelling: [.runResumed, .runCancelled]
        case .succeeded, .failed, .cancelled: []
        }
    }
}

/// Every kind of event, with those twice that have two meanings.
enum EventCase: String, CaseIterable, Sendable {
    case runStarted, runSucceeded, runFailed, runCancelled, runAttemptFailed, runCancelRequested, runHeld, runResumed
    case stepStarted, stepStartedAgain, stepSucceeded, stepFailedRetry, stepFailedFinal, stepInterrupted
    case stepInspected, stepHeartbeat, stepCancelled, slept, woke, waitStarted, waitResolved, waitTimedOut
    case waitCancelled, signalSent, signalRejected, signalDelivered, signalQueued, invokeStarted, invokeFinished
    case commitRecord, signalKept, signalTaken, signalExpired

    /// The event that brings a run into a state of waiting.
    static func introducing(_ state: StateCase) -> EventCase {
        switch state {
        case .sleeping: .slept
        case .waitingForSignal: .waitStarted
        case .waitingForChild: .invokeStarted
        default: .signalSent
        }
    }

    var body: EventBody {
        switch self {
        case .runStarted, .runSucceeded, .runFailed, .runCancelled, .runAttemptFailed, .runCancelRequested, .runHeld,
            .runResumed:
            ofRun
        case .commitRecord, .signalKept, .signalTaken, .signalExpired: ofStore
        default: ofStep
        }
    }

    private var ofRun: EventBody {
        let failure = StateCase.failure
        return switch self {
        case .runSucceeded: .runSucceeded(RunSucceeded(output: .null))
        case .runFailed: .runFailed(RunFailed(failure: failure))
        case .runCancelled: .runCancelled(RunCancelled())
        case .runAttemptFailed:
            .runAttemptFailed(RunAttemptFailed(failure: failure, retryAt: StateCase.second(99)))
        case .runCancelRequested: .runCancelRequested(RunCancelRequested(by: "ops", reason: "typo"))
        case .runHeld: .runHeld(RunHeld(failure: failure))
        case .runResumed: .runResumed(RunResumed())
        default: .runStarted(StateCase.start)
        }
    }

    private var ofStore: EventBody {
        switch self {
        case .signalKept: .signalKept(SignalKept(signal: "s", payload: .null, until: StateCase.second(9)))
        case .signalTaken:
            .signalTaken(SignalTaken(signal: "s", keptAt: StateCase.second(1), by: StateCase.run))
        case .signalExpired: .signalExpired(SignalExpired(signal: "s", keptAt: StateCase.second(1)))
        default: .commitRecord(CommitRecord(transaction: 1, incarnation: 1, first: LSN(1), chain: []))
        }
    }

    private var ofStep: EventBody {
        let (step, failure) = (StateCase.step, StateCase.failure)
        let key = StepKey(scope: "", id: "b", occurrence: 0)
        return switch self {
        case .stepStartedAgain: .stepStarted(StepStarted(step: .again(step), attempt: 2))
        case .stepSucceeded: .stepSucceeded(StepSucceeded(step: step, result: .null))
        case .stepFailedRetry:
            .stepFailed(StepFailed(step: step, failure: failure, retryAt: StateCase.second(90)))
        case .stepFailedFinal: .stepFailed(StepFailed(step: step, failure: failure, retryAt: nil))
        case .stepInterrupted: .stepInterrupted(StepInterrupted(step: step, reason: .crash))
        case .stepInspected: .stepInterrupted(StepInterrupted(step: step, reason: .inspection))
        case .stepHeartbeat: .stepHeartbeat(StepHeartbeat(step: step, details: Payload(json: "1")))
        case .stepCancelled: .stepCancelled(StepCancelled(step: step))
        case .slept: .slept(Slept(key: key, until: StateCase.second(50)))
        case .woke: .woke(Woke(step: step))
        case .waitStarted: .waitStarted(WaitStarted(key: key, signal: "s", timeoutAt: nil))
        case .waitResolved: .waitResolved(WaitResolved(step: step, payload: .null))
        case .waitTimedOut: .waitTimedOut(WaitTimedOut(step: step))
        case .waitCancelled: .waitCancelled(WaitCancelled(step: step))
        case .signalSent: .signalSent(SignalSent(key: key, signal: "s", payload: .null, keepUntil: nil))
        case .signalRejected: .signalRejected(SignalRejected(step: step, payload: .null, failure: failure))
        case .signalDelivered: .signalDelivered(SignalDelivered(step: step, to: .store))
        case .signalQueued: .signalQueued(SignalQueued(step: step, payload: .null))
        case .invokeStarted:
            .invokeStarted(
                InvokeStarted(
                    key: key, workflow: "child", child: RunID(high: 1, low: 3), childRun: RunNumber(4),
                    timeoutAt: nil, cancelsOnTimeout: false))
        case .invokeFinished: .invokeFinished(InvokeFinished(step: step, outcome: .cancelled))
        default: .stepStarted(StepStarted(step: .new(key), attempt: 1))
        }
    }
}
