import StepEvents
import Testing

/// The transition function: every event in every state.
@Suite struct TransitionTests {
    @Test func everyKindOfEventIsInTheTable() {
        #expect(Set(EventCase.allCases.map(\.body.kind)) == Set(EventKind.allCases))
    }

    @Test(arguments: StateCase.allCases)
    func aStateTakesWhatTheTableSaysAndRefusesTheRestUnchanged(_ start: StateCase) throws {
        let before = try start.state()
        for event in EventCase.allCases {
            var after = before
            let next = Event(
                run: StateCase.run, sequence: before.nextSequence, time: before.lastTime, body: event.body)
            if start.legal.contains(event) {
                try after.apply(next)
                #expect(after.nextSequence == before.nextSequence + 1, "\(start) + \(event)")
                #expect(after.openAttempts == after.open.values.count { !$0.activity.isWait }, "\(start) + \(event)")
            } else {
                #expect(throws: IllegalTransition.self, "\(start) + \(event)") { try after.apply(next) }
                #expect(after == before, "\(start) + \(event) was refused but left something behind")
            }
        }
    }

    @Test(arguments: [
        (StateCase.queued, RunStatus.queued), (.betweenSteps, .running), (.attemptRunning, .running),
        (.attemptBeating, .running),
        (.attemptFailed, .running), (.attemptInterrupted, .running), (.sleeping, .waiting),
        (.waitingForSignal, .waiting), (.waitingForChild, .waiting), (.sending, .waiting),
        (.functionFailed, .waiting), (.cancelling, .running), (.held, .held), (.heldAndCancelling, .held),
        (.succeeded, .succeeded), (.failed, .failed), (.cancelled, .cancelled),
    ])
    func everyStateHasItsStatus(_ state: StateCase, _ status: RunStatus) throws {
        #expect(try state.state().status == status)
    }

    // MARK: An event's place

    @Test func anEventMustFollowTheLast() throws {
        let state = try StateCase.attemptRunning.state()
        let good = Event(
            run: StateCase.run, sequence: 2, time: state.lastTime, body: EventCase.stepSucceeded.body)
        var bad: [Event] = []
        for change: (inout Event) -> Void in [
            { $0.run = RunNumber(4) }, { $0.sequence = 1 }, { $0.sequence = 3 },
            { $0.time = StateCase.second(0) }, { $0.after = 2 }, { $0.after = .max },
        ] {
            var event = good
            change(&event)
            bad.append(event)
        }
        for event in bad {
            var after = state
            #expect(throws: IllegalTransition.self, "\(event)") { try after.apply(event) }
            #expect(after == state)
        }
        var after = state
        try after.apply(good)
    }

    @Test func aHistoryBeginsWithTheStartOfItsRun() {
        let started = EventBody.runStarted(StateCase.start)
        for event in [
            Event(run: StateCase.run, sequence: 0, time: StateCase.second(0), body: EventCase.slept.body),
            Event(run: StateCase.run, sequence: 1, time: StateCase.second(0), body: started),
            Event(run: .store, sequence: 0, time: StateCase.second(0), body: started),
        ] {
            #expect(throws: IllegalTransition.self) { _ = try RunState(event) }
        }
        #expect(throws: IllegalTransition.self) { _ = try RunState(history: [Event]()) }
    }

    @Test func theErrorNamesTheRunTheEventAndTheReason() throws {
        var state = try StateCase.sleeping.state()
        let event = Event(
            run: StateCase.run, sequence: 2, time: state.lastTime, body: EventCase.stepSucceeded.body)
        let error = #expect(throws: IllegalTransition.self) { try state.apply(event) }
        #expect(error?.description == "run #3 can't take event 2 (stepSucceeded): step 1 has no attempt")
    }

    // MARK: Golden cases

    @Test func attemptsAreNumberedWithoutGaps() throws {
        for number: UInt32 in [0, 1, 3] {
            var state = try StateCase.attemptFailed.state()
            let again = Event(
                run: StateCase.run, sequence: 3, time: state.lastTime,
                body: .stepStarted(StepStarted(step: .again(StateCase.step), attempt: number)))
            #expect(throws: IllegalTransition.self) { try state.apply(again) }
        }
        var state = try StateCase.queued.state()
        let second = Event(
            run: StateCase.run, sequence: 1, time: state.lastTime,
            body: .stepStarted(StepStarted(step: .new(StepKey(scope: "", id: "a", occurrence: 0)), attempt: 2)))
        #expect(throws: IllegalTransition.self) { try state.apply(second) }
    }

    @Test func whatIsOpenIsKnownInFull() throws {
        #expect(
            try StateCase.attemptFailed.state().open[StateCase.step]?.activity
                == .attempt(1, .failed(retryAt: StateCase.second(90))))
        #expect(try StateCase.attemptInterrupted.state().open[StateCase.step]?.activity == .attempt(1, .interrupted))
        #expect(
            try StateCase.sleeping.state().open[StateCase.step]?.activity == .sleep(until: StateCase.second(50)))
        #expect(
            try StateCase.waitingForSignal.state().open[StateCase.step]?.activity
                == .wait(signal: "s", since: StateCase.second(1), timeoutAt: nil))
        #expect(
            try StateCase.waitingForChild.state().open[StateCase.step]?.activity
                == .child(RunNumber(4), RunID(high: 1, low: 3), timeoutAt: nil))
        #expect(try StateCase.betweenSteps.state().open.isEmpty)
        #expect(try StateCase.succeeded.state().open.isEmpty)
    }

    @Test func heartbeatsChangeNothingButTheHistory() throws {
        let step = StateCase.step
        func beat(_ json: String) -> EventBody {
            .stepHeartbeat(StepHeartbeat(step: step, details: Payload(json: json)))
        }
        func again(_ attempt: UInt32) -> EventBody { .stepStarted(StepStarted(step: .again(step), attempt: attempt)) }
        let bodies: [EventBody] = [
            beat("1"), beat("2"), EventCase.stepFailedRetry.body, again(2), EventCase.stepInterrupted.body,
            EventCase.stepInspected.body, again(3), beat("3"), EventCase.runHeld.body, EventCase.runResumed.body,
            EventCase.stepSucceeded.body,
        ]
        var state = try StateCase.attemptRunning.state()
        for body in bodies {
            let event = Event(run: StateCase.run, sequence: state.nextSequence, time: state.lastTime, body: body)
            let transition = try state.apply(event)
            if body.kind == .stepHeartbeat {
                #expect(!transition.rowChanged && state.unsettledAttempts == 1 && state.openAttempts == 1)
                guard case .nothing = transition.touched else {
                    Issue.record("no table has anything of a heartbeat: \(transition.touched)")
                    continue
                }
            }
        }
    }

    @Test func aFailedFunctionWaitsUntilItAsksForSomething() throws {
        var state = try StateCase.functionFailed.state()
        #expect(state.attempt == 2 && state.retryAt == StateCase.second(99))
        let transition = try state.apply(
            Event(run: StateCase.run, sequence: 2, time: StateCase.second(99), body: EventCase.slept.body))
        #expect(state.retryAt == nil && state.status == .waiting)
        #expect(transition.retryBefore == StateCase.second(99) && transition.rowChanged)
    }

    @Test func aTransitionTellsWhatItTouched() throws {
        var state = try StateCase.attemptRunning.state()
        let open = state.open
        let one = try state.apply(
            Event(run: StateCase.run, sequence: 2, time: StateCase.second(2), body: EventCase.slept.body))
        guard case .one(StepNumber(2), nil) = one.touched else {
            Issue.record("an event that introduces a step touches that step alone: \(one.touched)")
            return
        }
        let all = try state.apply(
            Event(run: StateCase.run, sequence: 3, time: StateCase.second(3), body: EventCase.runFailed.body))
        guard case .all(let closed) = all.touched else {
            Issue.record("the end of a run touches all that was open: \(all.touched)")
            return
        }
        #expect(Set(closed.keys) == Set(open.keys).union([StepNumber(2)]))
        #expect(state.open.isEmpty && state.openAttempts == 0 && state.failure == StateCase.failure)
    }
}
