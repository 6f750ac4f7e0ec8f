import Logging
import StepCore
import StepEvents
import StepLocks
import StepLog
import StepReplay

extension Engine {
    /// What came for a run that can't take it: it has ended, it is held, or its code is not here.
    func refuse(_ inputs: [InstanceInput], for run: RunNumber, _ history: [Event]) {
        var tokens: [UInt64] = []
        var request: RunCancelRequested?
        let isOver = history.last.map { Self.isFinal($0.kind) } ?? false
        for input in inputs {
            if isOver { reportLate(input, for: run) }
            switch input {
            case .offer(let offer): answerOffer(offer.id, .success(.notWaiting))
            case .cancelRun(let by, let reason, let token):
                request = request ?? RunCancelRequested(by: by, reason: reason)
                tokens.append(token)
            default: break
            }
        }
        if let request { cancelCold(run, history, request, tokens) }
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

    /// Cancels a run that is not executed: recorded now, carried out when its code comes. A held run ends at once,
    /// since no code that is here could clean up.
    ///
    /// The run counts as being loaded until that is durable, so that nobody reads a history which lacks it.
    private func cancelCold(
        _ run: RunNumber, _ history: [Event], _ request: RunCancelRequested, _ tokens: [UInt64]
    ) {
        func answer(_ outcome: Result<Bool, StoreError>, _ last: RunState? = nil) {
            for token in tokens { answerCancel(token, outcome) }
            endCold(run, last)
        }
        if let last = history.last, Self.isFinal(last.kind) { return answer(.success(false)) }
        let recorded: ColdCancellation
        do {
            recorded = try ColdCancellation(history, request, at: clock.now)
        } catch {
            return answer(.failure(StoreError(.damaged, "its history can't be: \(error)", run: run)))
        }
        guard !recorded.batch.isEmpty else { return answer(.success(false), recorded.state) }
        state.withLock { _ = $0.recording.insert(run) }
        let observer = ColdObserver { [self] outcome in
            if case .success = outcome, recorded.state.status.isFinal { endedCold(recorded) }
            for token in tokens { answerCancel(token, outcome) }
            endCold(run, recorded.state)
        }
        do throws(StoreError) {
            try store.submit(
                Command(
                    batch: recorded.batch, changes: recorded.changes, observer: observer, priority: .completion))
        } catch {
            answer(.failure(error), recorded.state)
        }
        letGoIfFull()
    }

    /// A held run was cancelled, and that is durable.
    private func endedCold(_ recorded: ColdCancellation) {
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

/// The events by which a run that is not executed is cancelled.
private struct ColdCancellation {
    private(set) var state: RunState
    private(set) var batch = EventBatch()
    private(set) var changes: [TableChange] = []
    /// Runs that the run waited for when it ended.
    private(set) var children: [RunNumber] = []

    /// - Throws: for a history that can't be.
    init(_ history: [Event], _ request: RunCancelRequested, at time: Timestamp) throws(IllegalTransition) {
        state = try RunState(history: history)
        if state.cancel == nil { try accept(.runCancelRequested(request), time) }
        guard state.status == .held else { return }
        try accept(.runResumed(RunResumed()), time)
        for (step, open) in state.open.sorted(by: { $0.key < $1.key }) {
            // Recorded one by one, for recovery to see that the child was given up.
            guard case .child(let child, _, _) = open.activity else { continue }
            children.append(child)
            try accept(.waitCancelled(WaitCancelled(step: step)), time)
        }
        try accept(.runCancelled(RunCancelled()), time)
    }

    private mutating func accept(_ body: EventBody, _ time: Timestamp) throws(IllegalTransition) {
        let event = Event(
            run: state.run, sequence: state.nextSequence, time: max(time, state.lastTime), body: body)
        let transition = try state.apply(event)
        batch.append(event)
        Projection.changes(transition, after: state, event: event, into: &changes)
    }
}
