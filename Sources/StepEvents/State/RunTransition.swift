extension RunState {
    /// Takes the run's next event, or refuses it and stays as it was.
    @discardableResult
    package mutating func apply(_ event: Event) throws(IllegalTransition) -> Transition {
        try checkPlace(of: event)
        let before = (status, attempt, retryAt, isAtRest)
        let touched = touched(by: event)
        try take(event)
        nextSequence += 1
        lastTime = event.time
        status = statusAfter(event)
        noteProgress(event)
        let rowChanged =
            before != (status, attempt, retryAt, isAtRest) || event.kind == .runCancelRequested
            || event.kind == .runHeld
        return Transition(touched: touched, rowChanged: rowChanged, retryBefore: before.2)
    }

    private mutating func take(_ event: Event) throws(IllegalTransition) {
        switch event.body {
        case .runStarted: throw IllegalTransition(event, "the run has started already")
        case .runSucceeded, .runFailed, .runCancelled: try end(event)
        case .runAttemptFailed(let body):
            retryAt = body.retryAt
            failure = body.failure
            attempt += 1
        case .runCancelRequested(let body):
            guard cancel == nil else { throw IllegalTransition(event, "the run is being cancelled already") }
            cancel = body
            retryAt = nil
        case .runHeld(let body): failure = body.failure
        case .runResumed: failure = nil
        case .stepStarted(let body): try start(body, event)
        case .stepSucceeded(let body): try endAttempt(of: body.step, event)
        case .stepFailed(let body): try fail(body, event)
        case .stepInterrupted(let body):
            let number = try interruptedAttempt(by: body, event)
            change(body.step, to: .attempt(number, .interrupted))
        case .stepCancelled(let body):
            guard case .attempt = try opened(body.step, event).activity else {
                throw IllegalTransition(event, "step \(body.step) is a wait")
            }
            close(body.step)
        case .stepHeartbeat(let body): try note(body, event)
        case .slept(let body): introduce(body.key, .sleep(until: body.until), event)
        case .woke(let body):
            guard case .sleep = try opened(body.step, event).activity else {
                throw IllegalTransition(event, "step \(body.step) is not a sleep")
            }
            close(body.step)
        case .waitStarted(let body):
            introduce(
                body.key, .wait(signal: body.signal, since: event.time, timeoutAt: body.timeoutAt), event)
        case .waitResolved(let body): try endWait(body.step, event)
        case .waitTimedOut(let body): try endWait(body.step, event)
        case .signalRejected(let body):
            try requireWait(body.step, event)
            setQueued(body.step, false)
        case .signalQueued(let body):
            try requireWait(body.step, event)
            guard open[body.step]?.hasQueuedSignal == false else {
                throw IllegalTransition(event, "a signal waits for step \(body.step) already")
            }
            setQueued(body.step, true)
        case .waitCancelled(let body):
            switch try opened(body.step, event).activity {
            case .sleep, .wait, .child: close(body.step)
            case .attempt, .send: throw IllegalTransition(event, "step \(body.step) is not a wait")
            }
        case .signalSent(let body): introduce(body.key, .send(signal: body.signal), event)
        case .signalDelivered(let body):
            guard case .send = try opened(body.step, event).activity else {
                throw IllegalTransition(event, "step \(body.step) does not send a signal")
            }
            close(body.step)
        case .invokeStarted(let body):
            introduce(body.key, .child(body.childRun, body.child, timeoutAt: body.timeoutAt), event)
        case .invokeFinished(let body):
            guard case .child = try opened(body.step, event).activity else {
                throw IllegalTransition(event, "step \(body.step) is not a child")
            }
            close(body.step)
        case .commitRecord, .signalKept, .signalTaken, .signalExpired:
            throw IllegalTransition(event, "an event of the store in the history of a run")
        }
    }

    /// The open steps that the event is about to change, as they are before it.
    private func touched(by event: Event) -> Transition.Touched {
        let step: StepNumber
        switch event.body {
        case .runSucceeded, .runFailed, .runCancelled: return .all(open)
        case .runStarted, .runAttemptFailed, .runCancelRequested, .runHeld, .runResumed: return .nothing
        case .commitRecord, .signalKept, .signalTaken, .signalExpired: return .nothing
        // No table holds anything of it.
        case .stepHeartbeat: return .nothing
        case .stepStarted(let body):
            switch body.step {
            case .new: step = StepNumber(event.sequence)
            case .again(let number): step = number
            }
        case .slept, .waitStarted, .signalSent, .invokeStarted: step = StepNumber(event.sequence)
        case .stepSucceeded(let body): step = body.step
        case .stepFailed(let body): step = body.step
        case .stepInterrupted(let body): step = body.step
        case .stepCancelled(let body): step = body.step
        case .woke(let body): step = body.step
        case .waitResolved(let body): step = body.step
        case .waitTimedOut(let body): step = body.step
        case .waitCancelled(let body): step = body.step
        case .signalRejected(let body): step = body.step
        case .signalDelivered(let body): step = body.step
        case .signalQueued(let body): step = body.step
        case .invokeFinished(let body): step = body.step
        }
        return .one(step, open[step])
    }

    private func checkPlace(of event: Event) throws(IllegalTransition) {
        guard event.run == run else { throw IllegalTransition(event, "the event is another run's") }
        guard event.sequence == nextSequence else {
            throw IllegalTransition(event, "the next event must have sequence \(nextSequence)")
        }
        guard event.time >= lastTime else { throw IllegalTransition(event, "its time runs backwards") }
        guard (event.after ?? 0) < event.sequence else {
            throw IllegalTransition(event, "it was asked for after itself")
        }
        guard !status.isFinal else { throw IllegalTransition(event, "the run has \(status.name)") }
        let resumes = event.kind == .runResumed
        let isForHeldToo =
            switch event.kind {
            case .runCancelRequested, .runCancelled, .signalQueued: true
            default: false
            }
        guard (status == .held) == resumes || isForHeldToo else {
            throw IllegalTransition(event, resumes ? "the run is not held" : "the run is held")
        }
    }

    private mutating func end(_ event: Event) throws(IllegalTransition) {
        switch event.body {
        case .runCancelled:
            guard cancel != nil else { throw IllegalTransition(event, "nobody asked to cancel the run") }
            failure = nil
        case .runFailed(let body): failure = body.failure
        default: failure = nil
        }
        open = [:]
        openAttempts = 0
        unsettledAttempts = 0
        busySteps = 0
        retryAt = nil
    }

    private mutating func start(_ body: StepStarted, _ event: Event) throws(IllegalTransition) {
        switch body.step {
        case .new(let key):
            guard body.attempt == 1 else { throw IllegalTransition(event, "the first attempt has number 1") }
            introduce(key, .attempt(1, .running), event)
        case .again(let number):
            guard case .attempt(let last, let phase) = try opened(number, event).activity, phase != .running else {
                throw IllegalTransition(event, "step \(number) has an attempt that has not ended")
            }
            guard body.attempt == last + 1 else {
                throw IllegalTransition(event, "the next attempt of step \(number) has number \(last + 1)")
            }
            change(number, to: .attempt(body.attempt, .running))
            retryAt = nil
        }
    }

    private mutating func fail(_ body: StepFailed, _ event: Event) throws(IllegalTransition) {
        guard case .attempt(let number, let phase) = try opened(body.step, event).activity else {
            throw IllegalTransition(event, "step \(body.step) is a wait")
        }
        if let retryAt = body.retryAt {
            guard phase == .running else { throw IllegalTransition(event, "step \(body.step) has no attempt") }
            change(body.step, to: .attempt(number, .failed(retryAt: retryAt)))
        } else {
            // A step that was interrupted too often fails without another attempt.
            guard phase == .running || phase == .interrupted else {
                throw IllegalTransition(event, "step \(body.step) waits for its next attempt")
            }
            close(body.step)
        }
    }

    private mutating func note(_ body: StepHeartbeat, _ event: Event) throws(IllegalTransition) {
        guard case .attempt(_, .running) = try opened(body.step, event).activity else {
            throw IllegalTransition(event, "step \(body.step) has no attempt that runs")
        }
    }

    private mutating func endAttempt(of step: StepNumber, _ event: Event) throws(IllegalTransition) {
        guard case .attempt(_, let phase) = try opened(step, event).activity,
            phase == .running || phase == .interrupted
        else { throw IllegalTransition(event, "step \(step) has no attempt") }
        close(step)
    }

    /// An attempt that runs can be cut off; one that was can be inspected, and its inspection cut off.
    private func interruptedAttempt(by body: StepInterrupted, _ event: Event) throws(IllegalTransition) -> UInt32 {
        guard case .attempt(let number, let phase) = try opened(body.step, event).activity,
            phase == .interrupted || phase == .running && body.reason != .inspection
        else { throw IllegalTransition(event, "step \(body.step) has no attempt that this can happen to") }
        return number
    }

    private mutating func endWait(_ step: StepNumber, _ event: Event) throws(IllegalTransition) {
        try requireWait(step, event)
        close(step)
    }

    private func requireWait(_ step: StepNumber, _ event: Event) throws(IllegalTransition) {
        guard case .wait = try opened(step, event).activity else {
            throw IllegalTransition(event, "step \(step) does not wait for a signal")
        }
    }

    private func opened(_ step: StepNumber, _ event: Event) throws(IllegalTransition) -> OpenStep {
        guard let found = open[step] else { throw IllegalTransition(event, "step \(step) is not open") }
        return found
    }

    private mutating func introduce(_ key: StepKey, _ activity: Activity, _ event: Event) {
        retryAt = nil
        let step = OpenStep(key: key, activity: activity)
        open[StepNumber(event.sequence)] = step
        if !step.rests { busySteps += 1 }
        if !activity.isWait { openAttempts += 1 }
        if activity.isUnsettled { unsettledAttempts += 1 }
    }

    /// Gives an open step's attempt another phase.
    private mutating func change(_ step: StepNumber, to activity: Activity) {
        guard let before = open[step]?.activity else { return }
        open[step]?.activity = activity
        unsettledAttempts += (activity.isUnsettled ? 1 : 0) - (before.isUnsettled ? 1 : 0)
    }

    private mutating func close(_ step: StepNumber) {
        guard let closed = open.removeValue(forKey: step) else { return }
        if !closed.rests { busySteps -= 1 }
        if !closed.activity.isWait { openAttempts -= 1 }
        if closed.activity.isUnsettled { unsettledAttempts -= 1 }
    }

    private mutating func setQueued(_ step: StepNumber, _ isQueued: Bool) {
        guard var waiting = open[step], waiting.hasQueuedSignal != isQueued else { return }
        waiting.hasQueuedSignal = isQueued
        open[step] = waiting
        busySteps += isQueued ? 1 : -1
    }

    /// Whether the function is known to have had all that there was for it: see ``isAtRest``.
    private mutating func noteProgress(_ event: Event) {
        switch event.body {
        case .slept, .waitStarted, .signalSent, .invokeStarted: lastAfter = event.after ?? 0
        case .stepStarted(let body): if case .new = body.step { lastAfter = event.after ?? 0 }
        case .stepFailed(let body): if body.retryAt == nil { lastOutcome = event.sequence }
        case .stepSucceeded, .stepCancelled, .woke, .waitResolved, .waitTimedOut, .waitCancelled, .signalDelivered,
            .invokeFinished, .runCancelRequested, .runResumed:
            lastOutcome = event.sequence
        // It begins anew, and asks for what it has had already.
        case .runAttemptFailed: lastOutcome = 0
        case .runStarted, .runSucceeded, .runFailed, .runCancelled, .runHeld, .stepInterrupted, .stepHeartbeat,
            .signalRejected,
            .signalQueued, .commitRecord, .signalKept, .signalTaken, .signalExpired:
            break
        }
    }

    private func statusAfter(_ event: Event) -> RunStatus {
        switch event.kind {
        case .runSucceeded: .succeeded
        case .runFailed: .failed
        case .runCancelled: .cancelled
        case .runHeld: .held
        case .runCancelRequested where status == .held: .held
        // Nothing goes on by it.
        case .signalQueued: status
        default: onlyWaits || retryAt != nil ? .waiting : .running
        }
    }
}
