import HeapModule
package import StepCore
package import StepEvents

/// What a machine must know of its surroundings.
package struct MachineSettings: Sendable {
    package var options: WorkflowOptions
    /// Where the workflow was registered: the site of errors that its function throws.
    package var site: CallSite?
    package var maxInterruptions: Int
    package var abandonAfter: Duration
    /// Whether steps that the history does not have are started, and those that it has begun are carried on with. A
    /// host that only wants to know what the code asks for says no.
    package var startsSteps: Bool
    /// Gives out the number of a new run, for children.
    package var allocateRun: @Sendable () -> RunNumber

    package init(
        options: WorkflowOptions = WorkflowOptions(), site: CallSite? = nil, maxInterruptions: Int = 10,
        abandonAfter: Duration = .seconds(30), startsSteps: Bool = true,
        allocateRun: @escaping @Sendable () -> RunNumber
    ) {
        self.startsSteps = startsSteps
        self.allocateRun = allocateRun
        self.options = options
        self.site = site
        self.maxInterruptions = maxInterruptions
        self.abandonAfter = abandonAfter
    }
}

/// The core of replay: history and what user code asks for in, decisions out. Pure: it reads no clock, does no I/O,
/// and draws nothing that the run's seed does not give.
///
/// The host calls it with what happens (a step asked for, an attempt ended, a timer fired, a signal came) and carries
/// out the ``MachineAction``s it returns. Live and replayed executions take the same path: an outcome, whether it
/// stood in the history or was accepted a moment ago, is handed to the workflow by ``handOver(at:)``, one at a time,
/// in the order of the history, and only when the code has nothing left to do. That is what makes races replay.
///
/// It can't be copied: what it knows of its steps are objects of its own, which spares each step a dozen copies.
package struct RunMachine: ~Copyable {
    enum Phase: Equatable {
        case running
        /// The run has ended, is held, or its function is to run again.
        case ended
        case unwinding
    }

    package internal(set) var state: RunState
    let settings: MachineSettings
    var phase = Phase.running
    /// Whether the function was told to leave memory, also after it has.
    package internal(set) var wasUnwound = false
    /// Nothing more is handed over or started; what runs may end.
    var isQuiescing = false
    var actions: [MachineAction] = []

    /// Every step whose outcome has not been handed over.
    var steps: [StepNumber: RecordedStep] = [:]
    /// Steps of the history that the code has not asked for, by the key under which it will.
    var numbers: [StepKey: StepNumber] = [:]
    /// How many bodies run in this process.
    var busyBodies = 0
    /// What the code has asked for, by name.
    var names: [StepName: NameUse] = [:]
    /// Outcomes that the code asked for.
    var ready = Heap<Delivery>()
    /// Calls that nothing is recorded for, or no outcome yet, in the order in which the code asked.
    var unstarted: [UnstartedCall] = []
    /// Empty; lends its storage to `unstarted`.
    var spareCalls: [UnstartedCall] = []
    /// Attempts that begin when their start is durable.
    var undurable: [(sequence: UInt32, step: StepNumber, inspects: Bool)] = []
    package internal(set) var durableThrough: UInt32
    /// Signals for waits that the replayed code has not asked for yet.
    var offers: [StepNumber: [SignalOffer]] = [:]
    /// Signals that came for waits while the run could not go on.
    var queuedSignals: [StepNumber: SignalQueued] = [:]
    /// Those of these waits that the code must ask for soon, and those for which it did not.
    var claims: Set<StepNumber> = []
    var unclaimed: Set<StepNumber> = []
    /// Whether the code is busy with something that it has declared and that is no step.
    package var isOutside = false
    /// When sleeps and time limits of the history end that this process began, as the wall clock stands now: it may
    /// have been set since.
    package var steadyDues: [StepNumber: Timestamp] = [:]
    /// Whether the code has had all that was recorded and has gone on to something new.
    var hasCaughtUp = false
    /// How many calls wait for an answer.
    var waitingCalls = 0

    /// The sequence of the last item handed to the workflow.
    package internal(set) var lastHandedOver: UInt32 = 0
    /// Its time: what the workflow sees as now.
    package internal(set) var now: Timestamp

    struct UnstartedCall {
        let call: StepCall
        let key: StepKey
        /// The step, where the history has it without an outcome.
        let number: StepNumber?
        let after: UInt32
    }

    /// A machine for a run with the given history, oldest event first.
    ///
    /// The whole history is durable: it was read from a log.
    package init(history: [Event], settings: MachineSettings) throws(IllegalTransition) {
        self.settings = settings
        state = try RunState(history: history)
        now = state.startedAt
        durableThrough = state.nextSequence - 1
        for event in history { recall(event) }
        hasCaughtUp = numbers.isEmpty
    }

    package var isActive: Bool { phase == .running }

    package var isUnwinding: Bool { phase == .unwinding }

    /// Whether the function no longer takes part, although the run goes on: what comes now is for its next instance.
    package var isAway: Bool { phase != .running && !state.status.isFinal }

    /// Starts nothing more.
    package mutating func quiesce() { isQuiescing = true }

    /// Whether the code is still catching up with what was recorded.
    package var isReplaying: Bool { !hasCaughtUp && (!numbers.isEmpty || !ready.isEmpty) }

    package var hasDecided: Bool { !actions.isEmpty }

    /// Moves what the machine decided since the last call into an empty array, whose storage it uses from then on.
    package mutating func takeActions(into taken: inout [MachineAction]) { swap(&actions, &taken) }

    /// What the machine decided since the last call.
    package mutating func takeActions() -> [MachineAction] {
        guard !actions.isEmpty else { return [] }
        defer { actions = [] }
        return actions
    }

    // MARK: Accepting events

    /// Accepts an event: it takes its place in the history now, and the host writes it.
    @discardableResult
    mutating func accept(_ body: EventBody, at time: Timestamp, after: UInt32? = nil) -> UInt32? {
        let event = Event(
            run: state.run, sequence: state.nextSequence, time: max(time, state.lastTime), after: after, body: body)
        do throws(IllegalTransition) {
            let transition = try state.apply(event)
            actions.append(.append(event, transition, row: transition.rowChanged ? StateAfter(state) : nil))
            return event.sequence
        } catch {
            actions.append(.report(.broken(error)))
            unwindCalls()
            return nil
        }
    }

    /// Accepts the outcome of a step and has it handed over in its turn.
    mutating func conclude(
        _ number: StepNumber, _ outcome: RecordedStep.Outcome, as body: EventBody, at time: Timestamp
    ) {
        guard let sequence = accept(body, at: time), let step = steps[number] else { return }
        step.outcome = outcome
        step.outcomeSequence = sequence
        step.outcomeTime = state.lastTime
        clearTimers(step)
        endTurn(step)
        if step.call != nil { makeReady(step) }
    }

    mutating func setTimer(_ timer: MachineTimer) {
        steps[timer.step]?.hasTimers = true
        actions.append(.setTimer(timer))
    }

    mutating func clearTimers(_ step: RecordedStep) {
        guard step.hasTimers else { return }
        step.hasTimers = false
        actions.append(.clearTimers(step.number))
    }

    mutating func endTurn(_ step: RecordedStep) {
        guard step.hasTurn else { return }
        step.hasTurn = false
        actions.append(.endTurn(step.number))
    }

    mutating func makeReady(_ step: RecordedStep) {
        ready.insert(
            Delivery(sequence: step.outcomeSequence, time: step.outcomeTime, item: .outcome(step.number)))
    }

    /// Notes which attempt's body runs in this process, if one does.
    mutating func setBusy(_ step: RecordedStep, _ attempt: UInt32?) {
        busyBodies += (attempt == nil ? 0 : 1) - (step.busyAttempt == nil ? 0 : 1)
        step.busyAttempt = attempt
    }

    // MARK: Handing over

    /// Hands the workflow its next item, or starts what it asked for. Call it when the code has nothing left to do.
    ///
    /// Returns whether there may be more to hand over or to do.
    package mutating func handOver(at time: Timestamp) -> Bool {
        guard phase == .running, !isQuiescing else { return false }
        if let next = ready.min, !isPremature(next) {
            ready.removeMin()
            lastHandedOver = next.sequence
            now = max(now, next.time)
            switch next.item {
            case .cancelRun: actions.append(.cancelFunction)
            case .outcome(let number): deliver(number)
            }
            return true
        }
        guard !unstarted.isEmpty, settings.startsSteps else {
            limitClaims(at: time)
            return false
        }
        hasCaughtUp = true
        var calls: [UnstartedCall] = []
        swap(&calls, &spareCalls)
        swap(&calls, &unstarted)
        defer {
            calls.removeAll(keepingCapacity: true)
            spareCalls = calls
        }
        for call in calls {
            if phase == .running { begin(call, at: time) }
            // The machine broke off before the step was known, and so before it could be answered with the others.
            if phase != .running, call.number == nil, step(of: call.call) == nil {
                answer(call.call, .fail(RunUnwinding()))
            }
        }
        beginDurable(at: time)
        limitClaims(at: time)
        return !ready.isEmpty
    }

    /// Whether a cancellation must wait: the code is busy with something that is no step, and outcomes recorded
    /// before the cancellation have not been asked for.
    private func isPremature(_ delivery: Delivery) -> Bool {
        delivery.item == .cancelRun && waitingCalls == 0
            && steps.values.contains { $0.outcome != nil && $0.outcomeSequence < delivery.sequence }
    }

    private mutating func deliver(_ number: StepNumber) {
        guard let step = steps.removeValue(forKey: number), let call = step.call else { return }
        setBusy(step, nil)
        let directive: StepDirective =
            switch step.outcome {
            case .value(let payload): .deliver(payload)
            case .cancelled: .fail(CancellationError())
            case .failed(let failure):
                .fail(
                    StepError(
                        runID: state.start.id, step: step.key, attempts: Int(step.attempt), failure: failure))
            case .childFailed(let failure):
                .fail(
                    StepError(runID: step.child?.id ?? state.start.id, step: step.key, attempts: 1, failure: failure))
            case .childCancelled:
                .fail(
                    StepError(
                        runID: step.child?.id ?? state.start.id, step: step.key, attempts: 1,
                        failure: Failure(type: "StepCore.RunCancelledError", message: "the child was cancelled")))
            case .timedOut where step.kind == .invoke:
                .fail(InvokeTimeoutError(runID: step.child?.id ?? state.start.id, step: step.key))
            case .timedOut, nil: .deliver(nil)
            }
        answer(call, directive)
    }

    /// The step that a call asked for, while its outcome has not been handed over.
    func step(of call: StepCall) -> RecordedStep? {
        guard let number = call.number, let step = steps[number], step.call === call else { return nil }
        return step
    }

    func bind(_ call: StepCall, to step: RecordedStep) {
        step.call = call
        call.number = step.number
    }

    mutating func answer(_ call: StepCall, _ directive: StepDirective) {
        switch directive {
        case .deliver, .fail:
            names[StepName(scope: call.scope, id: call.id)]?.answered(call)
            waitingCalls -= 1
        case .execute, .inspect: break
        }
        actions.append(.answer(call, directive))
    }
}
