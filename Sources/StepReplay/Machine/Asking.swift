import HeapModule
package import StepCore
package import StepEvents

extension RunMachine {
    /// The code asks for a step.
    ///
    /// `isCancelled` says whether the asking task was cancelled already.
    package mutating func ask(_ call: StepCall, isCancelled: Bool) {
        waitingCalls += 1
        guard phase == .running else {
            let ended = phase == .ended
            let error: any Error =
                ended ? StepOutsideRunError(runID: state.start.id, step: call.id) : RunUnwinding()
            return answer(call, .fail(error))
        }
        let occurrence: UInt32
        switch nameUse(of: call).ask(call, settings.options.duplicates) {
        case .occurrence(let number): occurrence = number
        case .pending(let earlier):
            return answer(
                call,
                .fail(
                    AmbiguousStepError(
                        scope: call.scope, id: call.id, first: earlier.site.description,
                        second: call.site.description)))
        }
        call.occurrence = occurrence
        let key = StepKey(scope: call.scope, id: call.id, occurrence: occurrence)
        if !numbers.isEmpty, let number = numbers.removeValue(forKey: key) {
            resumeRecorded(number, key, call)
            if isCancelled { cancelCall(call, at: state.lastTime) }
        } else if isCancelled {
            answer(call, .fail(CancellationError()))
        } else {
            unstarted.append(UnstartedCall(call: call, key: key, number: nil, after: lastHandedOver))
        }
    }

    private mutating func nameUse(of call: StepCall) -> NameUse {
        let name = StepName(scope: call.scope, id: call.id)
        if let use = names[name] { return use }
        let use = NameUse()
        names[name] = use
        return use
    }

    /// The history has the step: hand over its outcome in its turn, or carry on with it.
    private mutating func resumeRecorded(_ number: StepNumber, _ key: StepKey, _ call: StepCall) {
        guard let step = steps[number] else { return }
        guard step.kind == call.operation.recordedKind else {
            return hold(
                DivergenceError(
                    runID: state.start.id, step: key, recorded: step.kind.rawValue, asked: call.operation.name,
                    site: call.site.description), call)
        }
        if let after = step.after, after != lastHandedOver {
            actions.append(
                .report(
                    .order(key, recorded: after, found: lastHandedOver, site: call.site.description)))
            if settings.options.ordering == .strict {
                return hold(
                    DivergenceError(
                        runID: state.start.id, step: key, recorded: "the step after item \(after)",
                        asked: "it after item \(lastHandedOver)", site: call.site.description), call)
            }
        }
        bind(call, to: step)
        if step.outcome != nil {
            makeReady(step)
        } else {
            unstarted.append(UnstartedCall(call: call, key: key, number: number, after: lastHandedOver))
        }
    }

    private mutating func hold(_ error: DivergenceError, _ call: StepCall) {
        hold(Failure(capturing: error, site: call.site), at: state.lastTime)
        answer(call, .fail(RunUnwinding()))
    }

    /// Starts what the code asked for, or carries on with what the history has begun.
    mutating func begin(_ unstarted: UnstartedCall, at time: Timestamp) {
        if let number = unstarted.number {
            guard steps[number]?.outcome == nil else { return }
            switch unstarted.call.operation {
            case .run: carryOnAttempts(number, at: time)
            case .sleep: carryOnSleep(number, at: time)
            case .waitForSignal: carryOnWait(number, at: time)
            case .sendSignal: carryOnSending(number)
            case .invoke: carryOnChild(number, at: time)
            }
            return
        }
        switch unstarted.call.operation {
        case .run: startAttempts(unstarted, at: time)
        case .sleep(let sleep): startSleep(sleep, unstarted, at: time)
        case .waitForSignal(let wait): startWait(wait, unstarted, at: time)
        case .sendSignal(let send): startSending(send, unstarted, at: time)
        case .invoke(let invoke): startChild(invoke, unstarted, at: time)
        }
    }

    /// Records that the code asked for a step which the history does not have.
    mutating func introduce(
        _ unstarted: UnstartedCall, _ kind: RecordedStep.Kind, _ body: EventBody, at time: Timestamp
    ) -> RecordedStep? {
        guard let sequence = accept(body, at: time, after: unstarted.after) else { return nil }
        let step = RecordedStep(
            number: StepNumber(sequence), key: unstarted.key, kind: kind, after: unstarted.after)
        steps[step.number] = step
        bind(unstarted.call, to: step)
        return step
    }

    /// The task that asked for a step was cancelled: a race's loser, or the whole run.
    package mutating func cancelCall(_ call: StepCall, at time: Timestamp) {
        guard phase == .running else { return }
        if let index = unstarted.firstIndex(where: { $0.call === call }), unstarted[index].number == nil {
            // Nothing was recorded, and the code cancelled it before anything could be.
            unstarted.remove(at: index)
            return answer(call, .fail(CancellationError()))
        }
        // An outcome that was accepted first stands.
        // A signal that the history says was sent can't be taken back.
        guard let step = step(of: call), step.outcome == nil, step.kind != .send else { return }
        unstarted.removeAll { $0.call === call }
        undurable.removeAll { $0.step == step.number }
        let number = step.number
        switch step.kind {
        case .run:
            if let attempt = step.busyAttempt { actions.append(.cancelAttempt(call, attempt: attempt)) }
            conclude(number, .cancelled, as: .stepCancelled(StepCancelled(step: number)), at: time)
        case .send: return
        case .sleep, .wait, .invoke:
            if let signal = step.signal {
                actions.append(.stopAwaitingSignal(number, signal: signal.name, since: signal.since))
            }
            if let child = step.child, !isDetached(call) {
                actions.append(.cancelChild(child.run, reason: "its parent no longer waits for it"))
            }
            conclude(number, .cancelled, as: .waitCancelled(WaitCancelled(step: number)), at: time)
            for offer in offers.removeValue(forKey: number) ?? [] { actions.append(.answerOffer(offer, .notWaiting)) }
        }
    }

    /// What the code waits for and the machine has not started: new steps in the order of the questions, and steps that
    /// the history has begun. `nil` while the code waits for no step.
    package var asked: (new: [ReplayHost.Request], open: [StepNumber])? {
        guard phase == .running, waitingCalls > 0, ready.isEmpty else { return nil }
        let new = unstarted.filter { $0.number == nil }.map {
            ReplayHost.Request(key: $0.key, operation: $0.call.operation, after: $0.after)
        }
        return (new, unstarted.compactMap(\.number))
    }

    /// Has the body of a step executed that the code asked for and the machine has not started. Returns the call.
    package mutating func execute(_ facts: AttemptFacts) -> StepCall? {
        guard phase == .running, let asked = unstarted.first(where: { $0.key == facts.key }),
            case .run = asked.call.operation
        else { return nil }
        answer(asked.call, .execute(facts))
        return asked.call
    }

    func isDetached(_ call: StepCall) -> Bool {
        if case .invoke(let invoke) = call.operation { invoke.detached } else { false }
    }
}
