import HeapModule
import StepCore
package import StepEvents

/// How the workflow function ended.
package enum FunctionOutcome: Sendable {
    case returned(Payload)
    case threw(any Error)
}

extension FunctionOutcome {
    fileprivate var error: (any Error)? { if case .threw(let error) = self { error } else { nil } }
}

extension RunMachine {
    /// Someone wants the run cancelled. Returns whether that is news.
    package mutating func cancelRun(by: String, reason: String, at time: Timestamp) -> Bool {
        guard phase == .running, state.cancel == nil, !state.status.isFinal else { return false }
        guard let sequence = accept(.runCancelRequested(RunCancelRequested(by: by, reason: reason)), at: time) else {
            return false
        }
        guard state.status != .held else {
            // No code that is here could clean up.
            accept(.runCancelled(RunCancelled()), at: time)
            phase = .ended
            actions.append(.ended(.cancelled))
            return true
        }
        ready.insert(Delivery(sequence: sequence, time: state.lastTime, item: .cancelRun))
        return true
    }

    /// A held run is tried again.
    package mutating func resume(at time: Timestamp) {
        if state.status == .held { accept(.runResumed(RunResumed()), at: time) }
    }

    /// The workflow function returned or threw.
    package mutating func functionEnded(_ outcome: FunctionOutcome, at time: Timestamp) {
        guard phase == .running else {
            phase = .ended
            return
        }
        let willRunAgain = state.cancel == nil && outcome.error.map { isRetryable($0) } ?? false
        abandonOpenSteps(cancelling: willRunAgain, at: time)
        if !numbers.isEmpty { actions.append(.report(.unused(count: numbers.count))) }
        let end: MachineEnd
        switch outcome {
        case _ where state.cancel != nil:
            // What a cancelled function returns or throws changes nothing: the run was to end, and has.
            accept(.runCancelled(RunCancelled()), at: time)
            end = .cancelled
        case .returned(let output):
            accept(.runSucceeded(RunSucceeded(output: output)), at: time)
            end = .succeeded(output)
        case .threw(let error): end = threw(error, at: time)
        }
        if phase == .running { actions.append(.ended(end)) }
        phase = .ended
    }

    private mutating func threw(_ error: any Error, at time: Timestamp) -> MachineEnd {
        let failure: Failure
        if let error = error as? StepError {
            // The step has used up its own attempts; its error, not its wrapping, is the run's.
            failure = Failure(
                type: Failure.typeName(error), message: error.description, fields: error.failure.fields,
                causes: [Failure.Cause(type: error.failure.type, message: error.failure.message)]
                    + error.failure.causes, site: error.failure.site)
        } else {
            failure = Failure(capturing: error, site: settings.site)
        }
        let policy = settings.options.retry
        guard isRetryable(error) else {
            accept(.runFailed(RunFailed(failure: failure)), at: time)
            return .failed(failure)
        }
        var draws = StableHash(seed: state.start.seed)
        draws.combine(UInt64(state.attempt))
        var wait = policy.delay(afterFailures: Int(state.attempt), draw: draws.value)
        if let later = error as? RetryAfterError { wait = later.after }
        let retryAt = max(time, state.lastTime).advanced(by: wait)
        accept(.runAttemptFailed(RunAttemptFailed(failure: failure, retryAt: retryAt)), at: time)
        return .retry(at: retryAt)
    }

    /// Whether the function runs again after it threw `error`.
    private func isRetryable(_ error: any Error) -> Bool {
        let policy = settings.options.retry
        return !(error is StepError || error is any NonRetryable) && Int(state.attempt) < policy.maxAttempts
            && policy.shouldRetry.map { $0(error) } ?? true
    }

    /// Steps of tasks outside the function's structure end with it. `cancelling` records that, for the function's next
    /// attempt to ask for them anew.
    private mutating func abandonOpenSteps(cancelling: Bool, at time: Timestamp) {
        if cancelling {
            for step in steps.values.sorted(by: { $0.number < $1.number }) {
                if let call = step.call { cancelCall(call, at: time) }
            }
        }
        for step in steps.values.sorted(by: { $0.number < $1.number }) {
            clearTimers(step)
            endTurn(step)
            if let signal = step.signal, step.outcome == nil {
                actions.append(.stopAwaitingSignal(step.number, signal: signal.name, since: signal.since))
            }
            guard let call = step.call else { continue }
            if let attempt = step.busyAttempt, step.outcome == nil {
                actions.append(.cancelAttempt(call, attempt: attempt))
            }
            answer(call, .fail(StepOutsideRunError(runID: state.start.id, step: call.id)))
        }
        for waiting in unstarted where waiting.number == nil {
            answer(waiting.call, .fail(StepOutsideRunError(runID: state.start.id, step: waiting.call.id)))
        }
        unstarted = []
        for offer in offers.values.joined() { actions.append(.answerOffer(offer, .notWaiting)) }
        offers = [:]
    }

    /// Holds the run: the code that is here can't go on with it.
    package mutating func hold(_ failure: Failure, at time: Timestamp) {
        guard phase == .running else { return }
        recordInterruptions(includingBodies: true, at: time)
        accept(.runHeld(RunHeld(failure: failure)), at: time)
        actions.append(.ended(.held(failure)))
        unwindCalls()
    }

    /// Takes the function out of memory: every pending call throws ``RunUnwinding``, and whatever the function does
    /// then is ignored. Nobody waits for its end, which may never come: it may wait for something that is no step.
    /// `interrupting` records running attempts as cut off by an orderly shutdown.
    package mutating func unwind(interrupting: Bool, at time: Timestamp) {
        guard phase == .running else { return }
        recordInterruptions(includingBodies: interrupting, at: time)
        unwindCalls()
    }

    /// Records attempts of this instance that will not end, so that none is taken for cut off by a crash later.
    private mutating func recordInterruptions(includingBodies: Bool, at time: Timestamp) {
        let notBegun = Set(undurable.map(\.step))
        for step in steps.values.sorted(by: { $0.number < $1.number }) where step.outcome == nil {
            guard case .attempt(let attempt, let phase) = state.open[step.number]?.activity else { continue }
            if phase == .interrupted {
                // Its inspection does not go on either; the next instance makes another.
                let isCutOff = includingBodies || step.busyAttempt == nil
                if step.lastInterruption == .inspection, isCutOff {
                    accept(.stepInterrupted(StepInterrupted(step: step.number, reason: .shutdown)), at: time)
                }
                continue
            }
            guard phase == .running else { continue }
            if notBegun.contains(step.number) {
                accept(.stepInterrupted(StepInterrupted(step: step.number, reason: .notBegun)), at: time)
            } else if includingBodies, step.busyAttempt == attempt {
                accept(.stepInterrupted(StepInterrupted(step: step.number, reason: .shutdown)), at: time)
            }
        }
        undurable = []
    }

    mutating func unwindCalls() {
        guard phase == .running else { return }
        let open = steps.values.filter { $0.call != nil }.sorted { $0.number < $1.number }
        for step in open {
            clearTimers(step)
            endTurn(step)
            guard let call = step.call else { continue }
            if let attempt = step.busyAttempt { actions.append(.cancelAttempt(call, attempt: attempt)) }
            answer(call, .fail(RunUnwinding()))
        }
        for waiting in unstarted where waiting.number == nil { answer(waiting.call, .fail(RunUnwinding())) }
        unstarted = []
        for offer in offers.values.joined() { actions.append(.bounce(.offer(offer))) }
        offers = [:]
        phase = .unwinding
        wasUnwound = true
        actions.append(.ended(.unwound))
    }

    /// Whether any attempt's body runs.
    package var hasRunningBodies: Bool { busyBodies > 0 }

    /// Whether every pending call only waits, so that the run could leave memory.
    package var onlyWaits: Bool {
        phase == .running && busyBodies == 0 && waitingCalls > 0 && undurable.isEmpty && unstarted.isEmpty
            && ready.isEmpty && offers.isEmpty && !state.open.isEmpty && state.unsettledAttempts == 0
    }
}
