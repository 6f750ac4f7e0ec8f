import Logging
import StepCore
import StepEvents
import StepLocks
import StepLog
import StepReplay

extension Engine {
    /// What came for a run that can't take it: it has ended, it is held, its code is not here, or it can't be read.
    func refuse(_ inputs: [InstanceInput], for run: RunNumber, _ history: [Event]) {
        guard !inputs.isEmpty else { return }
        let isStopping = state.withLock { !$0.phase.isRunning }
        let isOver = history.last.map { Self.isFinal($0.kind) } ?? false
        let last = try? RunState(history: history)
        var recorded: [InstanceInput] = []
        for input in inputs {
            if isOver { reportLate(input, for: run) }
            guard case .offer(let offer) = input else {
                if case .cancelRun = input { recorded.append(input) }
                continue
            }
            if offer.isQueued {
                recorded.append(input)
            } else if isStopping {
                // Whether the run waits is for the next engine to say.
                refuseForNow([input])
            } else {
                let waits = history.isEmpty || last?.takesQueued(offer.step) == true
                answerOffer(offer.id, .success(waits ? .cannotWake : .notWaiting))
            }
        }
        if !recorded.isEmpty { recordCold(run, history, recorded) }
    }

    /// Something came for a run that has ended. Nothing comes of it, which somebody may wonder about.
    func reportLate(_ input: InstanceInput, for run: RunNumber) {
        let what: String? =
            switch input {
            case .offer: "a signal"
            case .signalDelivered: "the receipt of a signal that it sent"
            case .childEnded: "a child's end"
            case .cancelRun: "a cancellation"
            default: nil
            }
        guard let what else { return }
        logger.info("what came for a run that has ended is ignored", metadata: ["run": "\(run)", "event": "\(what)"])
    }

    /// What came for runs that no engine executes now. What is recorded elsewhere, as a child's end, is asked for
    /// again when one does.
    func refuseForNow(_ inputs: [InstanceInput]) {
        for input in inputs {
            switch input {
            case .offer(let offer):
                signals.answer(offer.id, .failure(EngineNotRunning(operation: "sending a signal")))
            case .cancelRun(_, _, let token):
                answers.answer(token, .failure(EngineNotRunning(operation: "cancelling a run")))
            default: break
            }
        }
    }

    /// Records what came for a run that is not executed; it is carried out when its code comes. A held run that is
    /// cancelled ends at once, since no code that is here could clean up.
    ///
    /// The run counts as being loaded until that is durable, so that nobody reads a history which lacks it.
    private func recordCold(_ run: RunNumber, _ history: [Event], _ inputs: [InstanceInput]) {
        var record: ColdRecord
        do {
            record = try ColdRecord(history)
        } catch {
            let error = StoreError(.damaged, "its history can't be: \(error)", run: run)
            for input in inputs { answerCold(input, .failure(error)) }
            return endCold(run, nil)
        }
        var taken: [InstanceInput] = []
        for input in inputs {
            if record.take(input, at: clock.now) {
                taken.append(input)
            } else {
                answerCold(input, .success(false))
            }
        }
        let recorded = record
        guard !taken.isEmpty else { return endCold(run, recorded.state) }
        state.withLock { _ = $0.recording.insert(run) }
        let answers = taken
        let observer = ColdObserver { [self] outcome in
            if case .success = outcome, recorded.state.status.isFinal { endedCold(recorded) }
            for input in answers { answerCold(input, outcome) }
            endCold(run, recorded.state)
        }
        do throws(StoreError) {
            try store.submit(
                Command(
                    batch: recorded.batch, changes: recorded.changes, observer: observer, priority: .completion))
        } catch {
            for input in answers { answerCold(input, .failure(error)) }
            endCold(run, recorded.state)
        }
        letGoIfFull()
    }

    /// Says whether the input was recorded.
    private func answerCold(_ input: InstanceInput, _ outcome: Result<Bool, StoreError>) {
        switch input {
        case .cancelRun(_, _, let token): answerCancel(token, outcome)
        case .offer(let offer):
            answerOffer(offer.id, outcome.map { $0 ? .accepted : .notWaiting })
        default: break
        }
    }

    /// A held run was cancelled, and that is durable.
    private func endedCold(_ recorded: ColdRecord) {
        let last = recorded.state
        state.withLock { _ = $0.held.remove(last.run) }
        results.resolve(last.start.id, .failure(Self.cancelledError(last)))
        notifyParent(of: last, .cancelled)
        let (store, parent) = (store, last.start.id)
        for child in recorded.children {
            pool.submit(
                .job { [self] in
                    let first = try? store.read { snapshot in
                        try snapshot.run(child).flatMap { try snapshot.event(at: $0.first) }
                    }
                    guard case .runStarted(let started)? = first?.event.body, started.parent?.detached == false else {
                        return
                    }
                    cancelChild(child, of: parent, reason: "its parent was cancelled")
                })
        }
    }

    /// What was recorded for the run is durable: others may read its history again.
    private func endCold(_ run: RunNumber, _ last: RunState?) {
        state.withLock { state in
            state.loading.remove(run)
            state.recording.remove(run)
            guard state.phase.isRunning else { return }
            // Its workflow may have been registered meanwhile, when the run could not be queued.
            let isStranded = last.map { state.stranded[$0.start.workflow]?.contains(run) ?? false } ?? true
            let isFree = last?.status.isFinal == false && !isStranded && !state.held.contains(run)
            if isFree || state.stash[run] != nil { state.enqueue(run, woken: true) }
        }
        endIfQuiet()
        pump()
    }
}

extension RunState {
    /// Whether a signal can be queued for the wait.
    fileprivate func takesQueued(_ step: StepNumber) -> Bool {
        guard !status.isFinal, let open = open[step], case .wait = open.activity else { return false }
        return !open.hasQueuedSignal
    }
}

/// The events by which what came for a run that is not executed is recorded.
private struct ColdRecord {
    private(set) var state: RunState
    private(set) var batch = EventBatch()
    private(set) var changes: [TableChange] = []
    /// Runs that the run waited for when it ended.
    private(set) var children: [RunNumber] = []

    /// - Throws: for a history that can't be.
    init(_ history: [Event]) throws(IllegalTransition) { state = try RunState(history: history) }

    /// Returns whether there was something to record.
    mutating func take(_ input: InstanceInput, at time: Timestamp) -> Bool {
        guard !state.status.isFinal else { return false }
        do {
            switch input {
            case .offer(let offer):
                guard state.takesQueued(offer.step) else { return false }
                let queued = SignalQueued(step: offer.step, payload: offer.payload, mark: offer.mark)
                try accept(.signalQueued(queued), time)
                return true
            case .cancelRun(let by, let reason, _):
                return try cancel(RunCancelRequested(by: by, reason: reason), time)
            default: return false
            }
        } catch {
            return false
        }
    }

    private mutating func cancel(_ request: RunCancelRequested, _ time: Timestamp) throws(IllegalTransition) -> Bool {
        guard !state.status.isFinal, state.cancel == nil || state.status == .held else { return false }
        if state.cancel == nil { try accept(.runCancelRequested(request), time) }
        guard state.status == .held else { return true }
        try accept(.runResumed(RunResumed()), time)
        for (step, open) in state.open.sorted(by: { $0.key < $1.key }) {
            // Recorded one by one, for recovery to see that the child was given up.
            guard case .child(let child, _, _) = open.activity else { continue }
            children.append(child)
            try accept(.waitCancelled(WaitCancelled(step: step)), time)
        }
        try accept(.runCancelled(RunCancelled()), time)
        return true
    }

    private mutating func accept(_ body: EventBody, _ time: Timestamp) throws(IllegalTransition) {
        let event = Event(
            run: state.run, sequence: state.nextSequence, time: max(time, state.lastTime), body: body)
        let transition = try state.apply(event)
        batch.append(event)
        Projection.changes(transition, after: state, event: event, into: &changes)
    }
}
