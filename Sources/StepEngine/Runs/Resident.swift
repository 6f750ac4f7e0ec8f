import StepCore
import StepEvents
import StepLocks
import StepLog
import StepReplay
import Synchronization

/// A run in memory: hosts its instance, writes what its machine accepts, and holds back what must not leave the
/// engine before that is durable.
final class Resident: InstanceHost, CommitObserver {
    typealias WhenDurable = @Sendable (Result<Void, StoreError>) -> Void

    private struct Pending {
        /// The last sequence handed to the log, and the last that is durable.
        var submitted: UInt32
        var durable: UInt32
        var waiting: [(sequence: UInt32, action: WhenDurable)] = []
        var failure: StoreError?
    }

    let number: RunNumber
    let id: RunID
    let workflow: String
    let engine: Engine
    private let pending: Locked<Pending>
    /// Offers of kept signals that are under way, by the offer's id.
    private let keptOffers = Locked<[UInt64: KeptSignal]>([:])
    /// Set once, before the instance is begun.
    private let box = Locked<WorkflowInstance?>(nil)
    private let functionEnded = Atomic<Bool>(false)
    private let idleness = Locked(Idleness())

    /// For choosing which run to park.
    private struct Idleness {
        /// When the run began to wait, if it does, in uptime: the wall clock may be set.
        var since: UInt64?
        /// How long its history was then.
        var sequence: UInt32 = 0
        /// Waits for which kept signals are being looked for. A run that was parked meanwhile would be back for them
        /// at once, ahead of those for whom it made room.
        var searches = 0
    }

    init(_ state: RunState, engine: Engine, durableThrough: UInt32) {
        number = state.run
        id = state.start.id
        workflow = state.start.workflow
        self.engine = engine
        pending = Locked(Pending(submitted: state.nextSequence - 1, durable: durableThrough))
    }

    /// Whether the function has ended for good in this instance, so that only the log is waited for.
    var hasEnded: Bool { functionEnded.load(ordering: .acquiring) }

    var instance: WorkflowInstance? { box.withLock { $0 } }

    func attach(_ instance: WorkflowInstance) { box.withLock { $0 = instance } }

    /// Breaks the cycle with the instance once the run has left memory.
    func detach() { box.withLock { $0 = nil } }

    func post(_ input: InstanceInput) { instance?.post(input) }

    fileprivate func noteEnd() { functionEnded.store(true, ordering: .releasing) }

    // MARK: InstanceHost

    var now: Timestamp { engine.clock.now }
    var bodyExecutor: any TaskExecutor { engine.bodyExecutor }

    func schedule(_ instance: WorkflowInstance) { engine.pool.submit(.drain(instance)) }

    func perform(_ actions: [MachineAction], of instance: WorkflowInstance) {
        if !actions.isEmpty {
            var flush = Flush(resident: self, instance: instance)
            for action in actions { flush.add(action) }
            flush.finish()
            if engine.isStopping, hasEnded { engine.letGoIfFull() }
        }
        noteWaiting(instance)
        if actions.contains(where: { if case .parkRefused = $0 { true } else { false } }) { engine.parkRefused(self) }
        // What the function computes right now may be what it returns.
        if engine.isStopping, instance.isActive, !instance.isComputing, !instance.hasRunningBodies {
            instance.post(.unwind(interrupting: false))
        }
    }

    /// Hands accepted events to the log; `actions` run when they and all before them are durable.
    func submit(_ batch: EventBatch, _ changes: [TableChange], last: UInt32, then actions: [WhenDurable]) {
        if batch.isEmpty {
            let now = pending.withLock { pending -> Result<Void, StoreError>? in
                if let failure = pending.failure { return .failure(failure) }
                if pending.durable >= pending.submitted { return .success(()) }
                pending.waiting += actions.map { (pending.submitted, $0) }
                return nil
            }
            if let now { for action in actions { action(now) } }
            return
        }
        pending.withLock { pending in
            pending.submitted = last
            pending.waiting += actions.map { (last, $0) }
        }
        let command = Command(
            batch: batch, changes: changes, observer: self, token: UInt64(last), priority: .completion)
        do throws(StoreError) {
            try engine.store.submit(command)
        } catch {
            fail(error)
        }
    }

    func keep(_ signal: KeptSignal, forOffer id: UInt64) { keptOffers.withLock { $0[id] = signal } }
    func takeKept(forOffer id: UInt64) -> KeptSignal? { keptOffers.withLock { $0.removeValue(forKey: id) } }

    /// Since when the run does nothing but wait, if it may leave memory meanwhile.
    var parkableSince: UInt64? { idleness.withLock { $0.searches == 0 ? $0.since : nil } }

    private func noteWaiting(_ instance: WorkflowInstance) {
        let waits = instance.canBeParked
        let changed = idleness.withLock { idleness in
            let before = idleness.since
            // One wait may follow another within a turn.
            let sequence = instance.state.nextSequence
            if waits, before != nil, idleness.sequence == sequence { return false }
            idleness.sequence = sequence
            idleness.since = waits ? engine.clock.uptime : nil
            return idleness.since != before
        }
        if changed { engine.waitingChanged(self) }
    }

    func beginsSearch() { idleness.withLock { $0.searches += 1 } }

    func endsSearch() {
        idleness.withLock { $0.searches -= 1 }
        engine.waitingChanged(self)
    }

    /// The run's first event is durable; someone else had submitted it.
    func startCommitted() {
        if let instance, instance.deposit(.committed(through: 0)) { engine.resumeAfterCommit(instance) }
    }

    // MARK: CommitObserver

    func acknowledged(_ outcome: Result<LSN, StoreError>, token: UInt64) {
        switch outcome {
        case .failure(let error): fail(error)
        case .success:
            let sequence = UInt32(truncatingIfNeeded: token)
            let due = pending.withLock { pending in
                pending.durable = max(pending.durable, sequence)
                guard !pending.waiting.isEmpty else { return [WhenDurable]() }
                let due = pending.waiting.filter { $0.sequence <= sequence }.map(\.action)
                pending.waiting.removeAll { $0.sequence <= sequence }
                return due
            }
            for action in due { action(.success(())) }
            if let instance, instance.deposit(.committed(through: sequence)) { engine.resumeAfterCommit(instance) }
        }
    }

    private func fail(_ error: StoreError) {
        let waiting = pending.withLock { pending in
            pending.failure = error
            defer { pending.waiting = [] }
            return pending.waiting.map(\.action)
        }
        for action in waiting { action(.failure(error)) }
        engine.storeFailed(error)
    }
}

/// What one turn of a run brings: the events for one command, and what follows when they are durable.
private struct Flush {
    let resident: Resident
    let instance: WorkflowInstance
    private var batch = EventBatch()
    private var changes: [TableChange] = []
    private var last: UInt32 = 0
    private var then: [Resident.WhenDurable] = []
    private var children: [Event] = []
    /// When the first of the timers was due that are cleared: of a run that leaves memory, all it had.
    private var cleared = TimerQueue.Earliest()

    init(resident: Resident, instance: WorkflowInstance) {
        self.resident = resident
        self.instance = instance
    }

    private var engine: Engine { resident.engine }

    mutating func add(_ action: MachineAction) {
        switch action {
        case .append(let event, let transition, let row):
            batch.append(event)
            last = event.sequence
            if row != nil || Projection.concerns(event) {
                Projection.changes(transition, after: row?.state ?? instance.state, event: event, into: &changes)
            }
        case .startChild(let number, let started): startChild(number, started)
        case .setTimer(let timer): engine.setTimer(resident.number, timer)
        case .clearTimers(let step): cleared.merge(engine.timers.clear(resident.number, step))
        case .awaitSignal(let step, let signal, let since):
            engine.awaitSignal(resident, step, signal: signal, since: since)
        case .stopAwaitingSignal(let step, let signal, let since):
            engine.stopAwaitingSignal(resident.number, step, signal: signal, since: since)
        case .answerOffer(let offer, let verdict): answer(offer, verdict)
        case .answerCancel(let token, let isNews):
            let engine = engine
            then.append { engine.answerCancel(token, $0.map { isNews }) }
        case .bounce(let input): engine.bounce(input, from: resident)
        case .deliverSignal(let step, let sent, _):
            let resident = resident
            then.append { if case .success = $0 { resident.engine.deliver(sent, step, of: resident) } }
        case .awaitChild(let step, let child): engine.awaitChild(step, child, of: resident)
        case .cancelChild(let child, let reason):
            let engine = engine
            let parent = resident.id
            then.append { if case .success = $0 { engine.cancelChild(child, of: parent, reason: reason) } }
        case .awaitTurn(let step): engine.requestTurn(resident.number, step)
        case .endTurn(let step): engine.endTurn(resident.number, step)
        case .report(let report): engine.report(report, of: resident)
        case .ended(let end):
            let resident = resident
            if case .held = end {} else { resident.noteEnd() }
            let state = instance.state
            let due = cleared
            then.append { resident.engine.ended(resident, end, state, due: due, $0) }
        case .answer, .cancelFunction, .cancelAttempt, .parkRefused: break
        }
    }

    mutating func finish() {
        let (engine, children) = (engine, children)
        if !children.isEmpty {
            then.append { if case .success = $0 { for child in children { engine.ensureAdmitted(child.run) } } }
        }
        for child in children { engine.reserveAdmission(of: child.run) }
        resident.submit(batch, changes, last: last, then: then)
        for child in children { engine.admitStarted(child) }
    }

    private mutating func startChild(_ number: RunNumber, _ started: RunStarted) {
        let event = Event(
            run: number, sequence: 0, time: instance.state.lastTime, body: .runStarted(started))
        guard let state = try? RunState(event) else { return }
        batch.append(event)
        Projection.changes(nil, after: state, event: event, into: &changes)
        children.append(event)
    }

    private mutating func answer(_ offer: SignalOffer, _ verdict: SignalVerdict) {
        if let kept = resident.takeKept(forOffer: offer.id), verdict == .accepted {
            // In the same commit as the wait's end, so that a kept signal is neither lost nor given twice.
            let taken = Event(
                run: .store, sequence: 0, time: instance.state.lastTime,
                body: .signalTaken(SignalTaken(signal: kept.name, keptAt: kept.keptAt, by: resident.number)))
            batch.append(taken)
            Projection.changes(storeEvent: taken, at: batch.count - 1, into: &changes)
        }
        let engine = engine
        then.append { engine.answerOffer(offer.id, $0.map { verdict }) }
    }
}
