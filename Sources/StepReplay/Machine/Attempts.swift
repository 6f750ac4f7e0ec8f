package import StepCore
package import StepEvents

extension RunMachine {
    mutating func startAttempts(_ unstarted: UnstartedCall, at time: Timestamp) {
        let started = StepStarted(step: .new(unstarted.key), attempt: 1)
        guard let step = introduce(unstarted, .run, .stepStarted(started), at: time) else { return }
        step.attempt = 1
        undurable.append((step.number.sequence, step.number, false))
    }

    /// The history has attempts of the step, but no outcome.
    mutating func carryOnAttempts(_ number: StepNumber, at time: Timestamp) {
        guard case .attempt(_, let phase) = state.open[number]?.activity else { return }
        switch phase {
        case .running:
            // The process that ran this attempt is gone.
            interrupted(number, .crash, at: time)
            decideAfterInterruption(number, at: time)
        case .interrupted:
            // So is the one that was finding out what the attempt had done.
            if steps[number]?.lastInterruption == .inspection { interrupted(number, .crash, at: time) }
            decideAfterInterruption(number, at: time)
        case .failed(let retryAt):
            if retryAt <= time { return startInTurn(number, at: time) }
            setTimer(MachineTimer(step: number, purpose: .due, due: retryAt, wait: time.duration(to: retryAt)))
        }
    }

    /// Records that the step's attempt, or the closure that was finding out about it, was cut off, or that the latter
    /// is about to begin.
    @discardableResult
    private mutating func interrupted(
        _ number: StepNumber, _ reason: StepInterrupted.Reason, at time: Timestamp
    ) -> UInt32? {
        if let step = steps[number] {
            step.lastInterruption = reason
            if reason == .crash { step.interruptions += 1 }
        }
        return accept(.stepInterrupted(StepInterrupted(step: number, reason: reason)), at: time)
    }

    private mutating func decideAfterInterruption(_ number: StepNumber, at time: Timestamp) {
        guard let step = steps[number], case .run(let run) = step.call?.operation else { return }
        if step.lastInterruption == .notBegun { return startInTurn(number, at: time) }
        if step.interruptions >= settings.maxInterruptions { return giveUp(number, at: time) }
        if run.interruption == .fail { return giveUp(number, at: time) }
        startInTurn(number, at: time)
    }

    /// Starts a step's next attempt, or the inspection of its last one; where crashes had interrupted it twice or more,
    /// when the engine gives it a turn: each start may be the one that kills the process.
    private mutating func startInTurn(_ number: StepNumber, at time: Timestamp) {
        guard let step = steps[number] else { return }
        if step.interruptions >= 2, !step.hasTurn { return actions.append(.awaitTurn(number)) }
        guard case .attempt(_, .interrupted) = state.open[number]?.activity, step.lastInterruption != .notBegun,
            case .run(let run) = step.call?.operation, run.interruption == .ask, !isQuiescing
        else { return startNextAttempt(number, at: time) }
        // Recorded before it begins, so that one which kills the process is counted.
        guard let sequence = interrupted(number, .inspection, at: time) else { return }
        undurable.append((sequence, number, true))
    }

    /// The engine lets a step start that crashes had interrupted before.
    package mutating func turnGranted(_ number: StepNumber, at time: Timestamp) {
        guard phase == .running, !isQuiescing, let step = steps[number], step.outcome == nil, step.call != nil,
            case .attempt(_, let activity) = state.open[number]?.activity, activity != .running
        else {
            actions.append(.endTurn(number))
            return
        }
        step.hasTurn = true
        startInTurn(number, at: time)
    }

    private mutating func giveUp(_ number: StepNumber, at time: Timestamp) {
        guard let step = steps[number] else { return }
        let failure = Failure(
            capturing: StepInterruptedError(interruptions: max(1, step.interruptions)), site: step.call?.site)
        conclude(
            number, .failed(failure), as: .stepFailed(StepFailed(step: number, failure: failure, retryAt: nil)),
            at: time)
    }

    private mutating func startNextAttempt(_ number: StepNumber, at time: Timestamp) {
        guard !isQuiescing, let step = steps[number] else { return }
        if let busy = step.busyAttempt {
            step.waitsForBody = true
            setTimer(
                MachineTimer(
                    step: number, purpose: .abandon(busy), due: time.advanced(by: settings.abandonAfter),
                    wait: settings.abandonAfter))
            return
        }
        let started = StepStarted(step: .again(number), attempt: step.attempt + 1)
        guard let sequence = accept(.stepStarted(started), at: time) else { return }
        step.attempt += 1
        undurable.append((sequence, number, false))
    }

    /// Everything up to `sequence` is durable: attempts whose start is among it begin.
    package mutating func committed(through sequence: UInt32, at time: Timestamp) {
        durableThrough = max(durableThrough, sequence)
        beginDurable(at: time)
    }

    /// Begins the attempts whose start is durable.
    mutating func beginDurable(at time: Timestamp) {
        guard phase == .running, !isQuiescing, !undurable.isEmpty else { return }
        var begun = 0
        while begun < undurable.count, undurable[begun].sequence <= durableThrough {
            let (_, number, inspects) = undurable[begun]
            begun += 1
            guard let step = steps[number], let call = step.call, case .run(let run) = call.operation else { continue }
            setBusy(step, step.attempt)
            if let timeout = run.timeout {
                setTimer(
                    MachineTimer(
                        step: number, purpose: .attemptTimeout(step.attempt), due: time.advanced(by: timeout),
                        wait: timeout))
            }
            let facts = AttemptFacts(
                key: step.key, attempt: step.attempt, lastFailure: step.lastFailure, lastHeartbeat: step.lastHeartbeat)
            answer(call, inspects ? .inspect(facts) : .execute(facts))
        }
        undurable.removeFirst(begun)
    }

    /// The body of an attempt tells how far it has come. Returns the sequence of the event that says so.
    ///
    /// - Throws: what the body is told when its attempt is not the one that runs.
    package mutating func heartbeat(
        _ call: StepCall, attempt: UInt32, details: Payload, at time: Timestamp
    ) throws -> UInt32 {
        guard phase != .unwinding else { throw RunUnwinding() }
        guard phase == .running, let step = step(of: call), step.outcome == nil, step.busyAttempt == attempt,
            case .attempt(attempt, .running) = state.open[step.number]?.activity
        else { throw CancellationError() }
        let body = StepHeartbeat(step: step.number, details: details)
        guard let sequence = accept(.stepHeartbeat(body), at: time) else { throw RunUnwinding() }
        step.lastHeartbeat = details
        return sequence
    }

    /// The body of an attempt ended.
    package mutating func attemptEnded(
        _ call: StepCall, attempt: UInt32, outcome: AttemptOutcome, at time: Timestamp
    ) {
        let known = step(of: call)
        let wasAwaited = known?.busyAttempt == attempt
        if wasAwaited, let known { setBusy(known, nil) }
        guard phase == .running, let step = known, step.outcome == nil else {
            let key = known?.key ?? StepKey(scope: call.scope, id: call.id, occurrence: 0)
            actions.append(.report(.lateResult(key, attempt: attempt)))
            return
        }
        let number = step.number
        guard wasAwaited, hasAttempt(number, attempt) else {
            actions.append(.report(.lateResult(step.key, attempt: attempt)))
            if step.waitsForBody, wasAwaited {
                step.waitsForBody = false
                clearTimers(step)
                startNextAttempt(number, at: time)
            }
            return
        }
        clearTimers(step)
        switch outcome {
        case .succeeded(let result):
            conclude(
                number, .value(result), as: .stepSucceeded(StepSucceeded(step: number, result: result)), at: time)
        case .failed(let failure, let decision): fail(number, failure, decision, at: time)
        case .tryAgain: startNextAttempt(number, at: time)
        case .giveUp: giveUp(number, at: time)
        }
    }

    /// Whether the attempt is the one that the history says is running, or was interrupted and is being inspected.
    private func hasAttempt(_ number: StepNumber, _ attempt: UInt32) -> Bool {
        guard case .attempt(attempt, let phase) = state.open[number]?.activity else { return false }
        return phase == .running || phase == .interrupted
    }

    mutating func fail(_ number: StepNumber, _ failure: Failure, _ decision: RetryDecision, at time: Timestamp) {
        guard let step = steps[number], case .run(let run) = step.call?.operation else { return }
        let failures = step.failures + 1
        var wait: Duration?
        if decision != .never, failures < run.retry.maxAttempts {
            let draw = StableHash.of(seed: state.start.seed, step.key, UInt64(step.attempt))
            wait = run.retry.delay(afterFailures: failures, draw: draw)
            if case .after(let chosen) = decision { wait = chosen }
        }
        // An inspection that throws has no attempt of its own to fail: it is final.
        if case .attempt(_, .interrupted) = state.open[number]?.activity { wait = nil }
        step.failures = failures
        step.lastFailure = failure
        let at = max(time, state.lastTime)
        guard let wait else {
            return conclude(
                number, .failed(failure), as: .stepFailed(StepFailed(step: number, failure: failure, retryAt: nil)),
                at: at)
        }
        let retryAt = at.advanced(by: wait)
        accept(.stepFailed(StepFailed(step: number, failure: failure, retryAt: retryAt)), at: at)
        endTurn(step)
        setTimer(MachineTimer(step: number, purpose: .due, due: retryAt, wait: wait))
    }

    /// A timer that the machine had set fired.
    package mutating func timerFired(_ timer: MachineTimer, at time: Timestamp) {
        guard phase == .running, let step = steps[timer.step], step.outcome == nil else { return }
        let number = timer.step
        switch timer.purpose {
        case .attemptTimeout(let attempt):
            guard step.busyAttempt == attempt, hasAttempt(number, attempt), let call = step.call,
                case .run(let run) = call.operation
            else { return }
            actions.append(.cancelAttempt(call, attempt: attempt))
            let error = StepTimeoutError(run.timeout ?? .zero)
            let isRetried = run.retry.shouldRetry.map { $0(error) } ?? true
            fail(number, Failure(capturing: error, site: call.site), isRetried ? .byPolicy : .never, at: time)
        case .abandon(let attempt):
            guard step.busyAttempt == attempt, step.waitsForBody else { return }
            actions.append(.report(.abandoned(step.key, attempt: attempt)))
            setBusy(step, nil)
            step.waitsForBody = false
            startNextAttempt(number, at: time)
        case .claim: claimTimerFired(number, at: time)
        case .due: dueTimerFired(step, at: time)
        }
    }

    private mutating func dueTimerFired(_ step: RecordedStep, at time: Timestamp) {
        let number = step.number
        switch state.open[number]?.activity {
        case .attempt(_, .failed): if step.call != nil { startInTurn(number, at: time) }
        case .sleep(let until): wake(number, until: until, at: time)
        case .wait(let signal, let since, .some(let timeoutAt)):
            actions.append(.stopAwaitingSignal(number, signal: signal, since: since))
            conclude(
                number, .timedOut, as: .waitTimedOut(WaitTimedOut(step: number)), at: max(time, timeoutAt))
        case .child(let child, _, .some(let timeoutAt)):
            if step.child?.cancelsOnTimeout == true {
                actions.append(.cancelChild(child, reason: "its parent's wait timed out"))
            }
            conclude(
                number, .timedOut,
                as: .invokeFinished(InvokeFinished(step: number, outcome: .timedOut)), at: max(time, timeoutAt))
        case .attempt, .wait, .child, .send, nil: break
        }
    }
}
