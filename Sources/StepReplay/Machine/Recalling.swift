import HeapModule
import StepEvents

extension RunMachine {
    /// Takes up one event of the history.
    mutating func recall(_ event: Event) {
        switch event.body {
        case .runStarted, .runSucceeded, .runFailed, .runCancelled, .runHeld, .runResumed: break
        case .runAttemptFailed: forgetCancelled()
        case .commitRecord, .signalKept, .signalTaken, .signalExpired: break
        case .runCancelRequested:
            ready.insert(Delivery(sequence: event.sequence, time: event.time, item: .cancelRun))
        case .stepStarted(let body):
            switch body.step {
            case .new(let key): introduce(key, .run, event)
            case .again(let number): steps[number]?.attempt = body.attempt
            }
        case .slept(let body): introduce(body.key, .sleep, event)
        case .waitStarted(let body):
            introduce(body.key, .wait, event) { $0.signal = (body.signal, event.time) }
        case .signalSent(let body): introduce(body.key, .send, event) { $0.sent = body }
        case .invokeStarted(let body):
            introduce(body.key, .invoke, event) {
                $0.child = (body.childRun, body.child, body.cancelsOnTimeout)
            }
        case .stepFailed(let body):
            steps[body.step]?.failures += 1
            steps[body.step]?.lastFailure = body.failure
            if body.retryAt == nil { settle(body.step, .failed(body.failure), event) }
        case .stepInterrupted(let body):
            steps[body.step]?.lastInterruption = body.reason
            if body.reason == .crash { steps[body.step]?.interruptions += 1 }
        case .stepHeartbeat(let body): steps[body.step]?.lastHeartbeat = body.details
        case .signalQueued(let body): queuedSignals[body.step] = body
        case .signalRejected(let body): queuedSignals[body.step] = nil
        case .stepSucceeded(let body): settle(body.step, .value(body.result), event)
        case .stepCancelled(let body): settle(body.step, .cancelled, event)
        case .woke(let body): settle(body.step, .value(.null), event)
        case .waitResolved(let body): settle(body.step, .value(body.payload), event)
        case .waitTimedOut(let body): settle(body.step, .timedOut, event)
        case .waitCancelled(let body): settle(body.step, .cancelled, event)
        case .signalDelivered(let body): settle(body.step, .value(.null), event)
        case .invokeFinished(let body): settle(body.step, RecordedStep.Outcome(body.outcome), event)
        }
    }

    private mutating func introduce(
        _ key: StepKey, _ kind: RecordedStep.Kind, _ event: Event, _ fill: (RecordedStep) -> Void = { _ in }
    ) {
        let number = StepNumber(event.sequence)
        let step = RecordedStep(number: number, key: key, kind: kind, after: event.after)
        if kind == .run { step.attempt = 1 }
        fill(step)
        steps[number] = step
        numbers[key] = number
    }

    /// What the code cancelled on its way out of an attempt that failed is asked for anew by the next, which therefore
    /// is handed other items before it asks for the rest.
    private mutating func forgetCancelled() {
        for step in steps.values {
            step.after = nil
            guard case .cancelled = step.outcome else { continue }
            steps[step.number] = nil
            numbers[step.key] = nil
        }
    }

    private mutating func settle(_ number: StepNumber, _ outcome: RecordedStep.Outcome, _ event: Event) {
        queuedSignals[number] = nil
        steps[number]?.outcome = outcome
        steps[number]?.outcomeSequence = event.sequence
        steps[number]?.outcomeTime = event.time
    }
}

extension RecordedStep.Outcome {
    init(_ outcome: InvokeFinished.Outcome) {
        self =
            switch outcome {
            case .succeeded(let output): .value(output)
            case .failed(let failure): .childFailed(failure)
            case .cancelled: .childCancelled
            case .timedOut: .timedOut
            }
    }
}
