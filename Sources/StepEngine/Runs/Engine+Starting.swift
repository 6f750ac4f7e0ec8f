package import StepCore
package import StepEvents
import StepLocks
import StepLog
import Synchronization

extension Engine {
    package func start(_ request: StartRequest) async throws -> RunID {
        if request.key == nil {
            return try await withCheckedThrowingContinuation { accept(request, $0) }
        }
        // Looking the key up reads the store.
        return try await withCheckedThrowingContinuation { continuation in
            pool.submit(.job { [self] in accept(request, continuation) })
        }
    }

    /// Accepts a start, or finds the run that has the key. Answers once the start is durable.
    private func accept(_ request: StartRequest, _ continuation: CheckedContinuation<RunID, any Error>) {
        let accepted: Event?
        do {
            if let key = request.key {
                let startKey = EngineState.StartKey(workflow: request.workflow, key: key)
                accepted = try acceptKeyed(request, startKey, continuation)
            } else {
                accepted = try state.withLock { state in
                    try requireOpen(state)
                    return try submitStart(request, nil, continuation, &state)
                }
            }
        } catch {
            continuation.resume(throwing: Self.translated(error))
            return
        }
        if let accepted { admitStarted(accepted) }
    }

    /// Accepts a start with a key, unless a run has the key, which then answers the caller.
    ///
    /// The store is read between two looks at the pending starts, not under the lock, which everyone else needs
    /// meanwhile. A start that is made in between, even one that is durable by then, stays among them for the second.
    private func acceptKeyed(
        _ request: StartRequest, _ key: EngineState.StartKey, _ continuation: CheckedContinuation<RunID, any Error>
    ) throws -> Event? {
        let isAttached = try state.withLock { state in
            try requireOpen(state)
            if try attach(continuation, to: key, request, &state) { return true }
            state.keyReaders[key, default: 0] += 1
            return false
        }
        if isAttached { return nil }
        let found = Result { try existingRun(key) }
        return try state.withLock { state in
            defer { state.hasRead(key) }
            try requireOpen(state)
            if try attach(continuation, to: key, request, &state) { return nil }
            if let existing = try found.get() {
                let isReplaced = request.ifExists == .restartIfFinished && existing.isFinal
                if !isReplaced {
                    try requireSame(existing.input, existing.id, key, request, state)
                    continuation.resume(returning: existing.id)
                    return nil
                }
            }
            return try submitStart(request, key, continuation, &state)
        }
    }

    private func requireOpen(_ state: EngineState) throws {
        switch state.phase {
        case .idle, .running: break
        case .stopping: throw EngineStopped(reason: "it is shutting down")
        case .closed: throw EngineStopped(reason: "the client was closed")
        case .failed(let error): throw error
        }
    }

    /// For what only an engine that runs can do: throws why this one doesn't.
    func requireRunning(for operation: String) throws {
        try state.withLock { state in
            if case .idle = state.phase { throw EngineNotRunning(operation: operation) }
            try requireOpen(state)
        }
    }

    /// Whether a start of the key is pending, which then answers the caller.
    private func attach(
        _ continuation: CheckedContinuation<RunID, any Error>, to key: EngineState.StartKey, _ request: StartRequest,
        _ state: inout EngineState
    ) throws -> Bool {
        guard let pending = state.pendingStarts[key] else { return false }
        try requireSame(pending.input, pending.id, key, request, state)
        if pending.isDurable {
            continuation.resume(returning: pending.id)
        } else {
            state.pendingStarts[key]?.waiters.append(continuation)
        }
        return true
    }

    private func requireSame(
        _ input: Payload, _ id: RunID, _ key: EngineState.StartKey, _ request: StartRequest, _ state: EngineState
    ) throws(RunKeyConflict) {
        let compare = state.definitions[key.workflow]?.isSameInput
        guard request.ifExists != .fail, input == request.input || compare?(input, request.input) == true else {
            throw RunKeyConflict(workflow: key.workflow, key: key.key, existing: id)
        }
    }

    private func existingRun(_ key: EngineState.StartKey) throws -> (id: RunID, input: Payload, isFinal: Bool)? {
        try store.read { snapshot in
            guard let row = try snapshot.run(workflow: key.workflow, key: key.key),
                let first = try snapshot.event(at: row.first), case .runStarted(let started) = first.event.body
            else { return nil }
            return (row.id, started.input, row.status.isFinal)
        }
    }

    private func submitStart(
        _ request: StartRequest, _ key: EngineState.StartKey?, _ continuation: CheckedContinuation<RunID, any Error>,
        _ state: inout EngineState
    ) throws -> Event {
        let now = clock.now
        let id = RunID(time: now, random: (randomness.next(), randomness.next()))
        let started = RunStarted(
            id: id, workflow: request.workflow, version: request.version, key: request.key, input: request.input,
            seed: randomness.next())
        let event = Event(
            run: RunNumber(state.nextRun), sequence: 0, time: now, body: .runStarted(started))
        var batch = EventBatch()
        var changes: [TableChange] = []
        batch.append(event)
        Projection.changes(nil, after: try RunState(event), event: event, into: &changes)
        let observer = StartObserver(engine: self, event: event, id: id, key: key, continuation)
        try store.submit(Command(batch: batch, changes: changes, observer: observer, priority: .newRun))
        state.nextRun += 1
        state.admitting[event.run] = EngineState.Admission()
        if let key { state.pendingStarts[key] = EngineState.PendingStart(id: id, input: request.input) }
        return event
    }

    /// A start is durable, or will never be.
    fileprivate func startAcknowledged(_ observer: StartObserver, _ outcome: Result<LSN, StoreError>) {
        let answer: Result<RunID, any Error> = outcome.map { _ in observer.id }.mapError { Self.translated($0) }
        var isDurable = false
        if case .success = answer { isDurable = true }
        let waiters = state.withLock { state in
            observer.key.map { state.endPendingStart($0, isDurable: isDurable) } ?? []
        }
        observer.continuation.resume(with: answer)
        for waiter in waiters { waiter.resume(with: answer) }
        if isDurable { ensureAdmitted(observer.event.run) }
    }

    /// A run's start is durable: where it was not taken into memory at once, it queues. Called on the log's writer
    /// thread.
    package func ensureAdmitted(_ run: RunNumber) {
        let (resident, queues) = state.withLock { state -> (Resident?, Bool) in
            if let resident = state.residents[run] { return (resident, false) }
            state.admitting[run]?.isDurable = true
            guard state.phase.isRunning else { return (nil, false) }
            state.enqueue(run)
            return (nil, true)
        }
        resident?.startCommitted()
        if queues { pump() }
    }

    /// What callers see of a refusal by the store.
    static func translated(_ error: any Error) -> any Error {
        guard let error = error as? StoreError else { return error }
        return error.code == .busy ? EngineBusy() : error
    }
}

/// Waits for a start to become durable.
private final class StartObserver: CommitObserver {
    let engine: Engine
    let event: Event
    let id: RunID
    let key: EngineState.StartKey?
    let continuation: CheckedContinuation<RunID, any Error>

    init(
        engine: Engine, event: Event, id: RunID, key: EngineState.StartKey?,
        _ continuation: CheckedContinuation<RunID, any Error>
    ) {
        self.engine = engine
        self.event = event
        self.id = id
        self.key = key
        self.continuation = continuation
    }

    func acknowledged(_ outcome: Result<LSN, StoreError>, token: UInt64) {
        engine.startAcknowledged(self, outcome)
    }
}
