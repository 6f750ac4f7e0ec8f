import HeapModule
import StepCore
package import StepEvents

extension RunMachine {
    // MARK: Sleeps

    mutating func startSleep(_ sleep: SleepStep, _ unstarted: UnstartedCall, at time: Timestamp) {
        let begin = max(time, state.lastTime)
        let until: Timestamp
        var wait: Duration?
        switch sleep {
        case .duration(let duration):
            until = begin.advanced(by: max(.zero, duration))
            wait = max(.zero, duration)
        case .until(let moment): until = moment
        }
        let slept = Slept(key: unstarted.key, until: until)
        guard let number = introduce(unstarted, .sleep, .slept(slept), at: begin)?.number else { return }
        if until <= begin { return wake(number, until: until, at: begin) }
        setTimer(MachineTimer(step: number, purpose: .due, due: until, wait: wait))
    }

    mutating func carryOnSleep(_ number: StepNumber, at time: Timestamp) {
        guard case .sleep(let until) = state.open[number]?.activity else { return }
        var due = (at: until, wait: Duration?.none)
        if case .sleep(.duration)? = steps[number]?.call?.operation { due = steadyDue(number, until, at: time) }
        if due.at <= time { return wake(number, until: until, at: time) }
        setTimer(MachineTimer(step: number, purpose: .due, due: due.at, wait: due.wait))
    }

    /// When something ends that lasts for a time: what this process began counts on a clock that no one can set.
    private func steadyDue(
        _ number: StepNumber, _ recorded: Timestamp, at time: Timestamp
    ) -> (at: Timestamp, wait: Duration?) {
        guard let due = steadyDues[number] else { return (recorded, nil) }
        return (due, time.duration(to: due))
    }

    /// The clock that a sleep counts on may be ahead of the wall clock; the record never says that it woke early.
    mutating func wake(_ number: StepNumber, until: Timestamp, at time: Timestamp) {
        conclude(number, .value(.null), as: .woke(Woke(step: number)), at: max(time, until))
    }

    // MARK: Signals

    mutating func startWait(_ wait: WaitForSignalStep, _ unstarted: UnstartedCall, at time: Timestamp) {
        let begin = max(time, state.lastTime)
        let timeoutAt = wait.timeout.map { begin.advanced(by: max(.zero, $0)) }
        let started = WaitStarted(key: unstarted.key, signal: wait.signal, timeoutAt: timeoutAt)
        guard let step = introduce(unstarted, .wait, .waitStarted(started), at: begin) else { return }
        step.signal = (wait.signal, begin)
        let number = step.number
        if let timeoutAt {
            setTimer(MachineTimer(step: number, purpose: .due, due: timeoutAt, wait: begin.duration(to: timeoutAt)))
        }
        actions.append(.awaitSignal(number, signal: wait.signal, since: begin))
    }

    mutating func carryOnWait(_ number: StepNumber, at time: Timestamp) {
        guard case .wait(let signal, let since, let timeoutAt) = state.open[number]?.activity else { return }
        unclaimed.remove(number)
        let queued = queuedSignals.removeValue(forKey: number)
        if let timeoutAt {
            let due = steadyDue(number, timeoutAt, at: time)
            // A signal that came while the run was away, before the timeout, is older than the timeout.
            if due.at <= time, queued == nil, offers[number]?.isEmpty ?? true {
                actions.append(.stopAwaitingSignal(number, signal: signal, since: since))
                return conclude(
                    number, .timedOut, as: .waitTimedOut(WaitTimedOut(step: number)), at: max(time, timeoutAt))
            }
            setTimer(MachineTimer(step: number, purpose: .due, due: due.at, wait: due.wait))
        }
        actions.append(.awaitSignal(number, signal: signal, since: since))
        let came = offers.removeValue(forKey: number) ?? []
        // Its sender has its answer, and its receipt stands.
        let first = queued.map { SignalOffer(id: 0, step: number, payload: $0.payload, mark: nil) }
        for offer in [first].compactMap({ $0 }) + came { self.offer(offer, at: time) }
    }

    /// A signal came for a wait of this run.
    package mutating func offer(_ offer: SignalOffer, at time: Timestamp) {
        guard phase == .running, case .wait(let signal, let since, _) = state.open[offer.step]?.activity,
            let step = steps[offer.step], !unclaimed.contains(offer.step)
        else {
            actions.append(.answerOffer(offer, .notWaiting))
            return
        }
        guard let call = step.call, case .waitForSignal(let wait) = call.operation, offers[offer.step] == nil else {
            // The replayed code has not come to the wait yet, and only it knows the type; or others came before.
            offers[offer.step, default: []].append(offer)
            return
        }
        do {
            try wait.check(offer.payload)
        } catch {
            let failure = Failure(capturing: error, site: call.site)
            accept(
                .signalRejected(SignalRejected(step: offer.step, payload: offer.payload, failure: failure)), at: time)
            actions.append(.answerOffer(offer, .rejected(failure)))
            return
        }
        actions.append(.stopAwaitingSignal(offer.step, signal: signal, since: since))
        conclude(
            offer.step, .value(offer.payload),
            as: .waitResolved(
                WaitResolved(step: offer.step, payload: offer.payload, mark: offer.mark)),
            at: time)
        actions.append(.answerOffer(offer, .accepted))
    }

    /// How long code that waits for other things may take to come to a wait that a signal came for.
    static let claimLimit = Duration.seconds(10)

    /// The code has nothing left to do. Where it does not come to a wait that the history has, it was probably changed
    /// and no longer asks for it, so the wait's signals are not held up for ever. It gets some time all the same: it may
    /// be busy with something that is no step.
    mutating func limitClaims(at time: Timestamp) {
        guard !offers.isEmpty, waitingCalls > 0, ready.isEmpty, unstarted.isEmpty else { return }
        for number in offers.keys.sorted() where steps[number]?.call == nil && claims.insert(number).inserted {
            setClaimTimer(number, at: time)
        }
    }

    private mutating func setClaimTimer(_ number: StepNumber, at time: Timestamp) {
        setTimer(
            MachineTimer(
                step: number, purpose: .claim, due: time.advanced(by: Self.claimLimit), wait: Self.claimLimit))
    }

    /// The time for the code to come to a wait is over, unless it is busy with something that it has declared.
    mutating func claimTimerFired(_ number: StepNumber, at time: Timestamp) {
        guard steps[number]?.call == nil, offers[number] != nil else { return }
        guard !isOutside, waitingCalls > 0 else { return setClaimTimer(number, at: time) }
        unclaimed.insert(number)
        for offer in offers.removeValue(forKey: number) ?? [] { actions.append(.answerOffer(offer, .notWaiting)) }
    }

    mutating func startSending(_ send: SendSignalStep, _ unstarted: UnstartedCall, at time: Timestamp) {
        let begin = max(time, state.lastTime)
        let sent = SignalSent(
            key: unstarted.key, signal: send.signal, payload: send.payload,
            keepUntil: send.keep.map { begin.advanced(by: $0) })
        guard let step = introduce(unstarted, .send, .signalSent(sent), at: begin) else { return }
        step.sent = sent
        carryOnSending(step.number)
    }

    /// A signal that was not recorded as delivered is sent again under the same key, which its receiver knows.
    mutating func carryOnSending(_ number: StepNumber) {
        guard let step = steps[number], let sent = step.sent else { return }
        let key = StableHash.idempotencyKey(run: state.start.id, step: step.key)
        actions.append(.deliverSignal(number, sent, idempotencyKey: key))
    }

    /// The signal that this run sent has arrived, is kept, or was dropped.
    package mutating func signalDelivered(_ number: StepNumber, to run: RunNumber, at time: Timestamp) {
        guard phase == .running, case .send = state.open[number]?.activity else { return }
        conclude(
            number, .value(.null), as: .signalDelivered(SignalDelivered(step: number, to: run)), at: time)
    }

    // MARK: Children

    mutating func startChild(_ invoke: InvokeStep, _ unstarted: UnstartedCall, at time: Timestamp) {
        let begin = max(time, state.lastTime)
        // The step's number is part of it: an attempt of the function that failed may have invoked under the same key.
        let seed = StableHash.of(seed: state.start.seed, unstarted.key, 0x6368_696C << 32 | UInt64(state.nextSequence))
        let id = RunID(time: begin, random: (SplitMix64.mix(seed), SplitMix64.mix(seed ^ 1)))
        let child = settings.allocateRun()
        let timeoutAt = invoke.timeout.map { begin.advanced(by: max(.zero, $0)) }
        let started = InvokeStarted(
            key: unstarted.key, workflow: invoke.workflow, child: id, childRun: child, timeoutAt: timeoutAt,
            cancelsOnTimeout: invoke.cancelsOnTimeout)
        guard let step = introduce(unstarted, .invoke, .invokeStarted(started), at: begin) else { return }
        step.child = (child, id, invoke.cancelsOnTimeout)
        let number = step.number
        let parent = RunStarted.Parent(
            id: state.start.id, run: state.run, step: number, detached: invoke.detached)
        actions.append(
            .startChild(
                child,
                RunStarted(
                    id: id, workflow: invoke.workflow, version: invoke.version, key: nil, input: invoke.input,
                    seed: seed, parent: parent)))
        setChildTimer(number, timeoutAt, from: begin)
    }

    mutating func carryOnChild(_ number: StepNumber, at time: Timestamp) {
        guard case .child(let child, _, let timeoutAt) = state.open[number]?.activity else { return }
        actions.append(.awaitChild(number, child))
        setChildTimer(number, timeoutAt.map { steadyDue(number, $0, at: time).at }, from: time)
    }

    private mutating func setChildTimer(_ number: StepNumber, _ timeoutAt: Timestamp?, from time: Timestamp) {
        guard let timeoutAt else { return }
        setTimer(MachineTimer(step: number, purpose: .due, due: timeoutAt, wait: time.duration(to: timeoutAt)))
    }

    /// A child of this run ended.
    package mutating func childEnded(_ number: StepNumber, _ outcome: InvokeFinished.Outcome, at time: Timestamp) {
        guard phase == .running, case .child = state.open[number]?.activity else { return }
        conclude(
            number, RecordedStep.Outcome(outcome),
            as: .invokeFinished(InvokeFinished(step: number, outcome: outcome)), at: time)
    }
}
