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
            accepted = try state.withLock { state in
                try requireOpen(state)
                if let key = request.key, try attach(continuation, to: key, request, &state) { return nil }
                return try submitStart(request, continuation, &state)
            }
        } catch {
            continuation.resume(throwing: Self.translated(error))
            return
        }
        if let accepted { admitStarted(accepted) }
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

    /// Whether the key names a run already, which then answers the caller.
    private func attach(
        _ continuation: CheckedContinuation<RunID, any Error>, to key: String, _ request: StartRequest,
        _ state: inout EngineState
    ) throws -> Bool {
        func requireSame(_ input: Payload, _ id: RunID) throws {
            guard request.ifExists == .return, PayloadCoder.areEqual(input, request.input) else {
                throw RunKeyConflict(workflow: request.workflow, key: key, existing: id)
            }
        }
        let startKey = EngineState.StartKey(workflow: request.workflow, key: key)
        if let pending = state.pendingStarts[startKey] {
            try requireSame(pending.input, pending.id)
            state.pendingStarts[startKey]?.waiters.append(continuation)
            return true
        }
        let existing = try store.read { snapshot -> (RunID, Payload)? in
            guard let row = try snapshot.run(workflow: request.workflow, key: key),
                let first = try snapshot.event(at: row.first), case .runStarted(let started) = first.event.body
            else { return nil }
            return (row.id, started.input)
        }
        guard let existing else { return false }
        try requireSame(existing.1, existing.0)
        continuation.resume(returning: existing.0)
        return true
    }

    private func submitStart(
        _ request: StartRequest, _ continuation: CheckedContinuation<RunID, any Error>, _ state: inout EngineState
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
        let key = request.key.map { EngineState.StartKey(workflow: request.workflow, key: $0) }
        let observer = StartObserver(engine: self, event: event, id: id, key: key, continuation)
        try store.submit(Command(batch: batch, changes: changes, observer: observer, priority: .newRun))
        state.nextRun += 1
        state.admitting[event.run] = false
        if let key { state.pendingStarts[key] = EngineState.PendingStart(id: id, input: request.input, waiters: []) }
        return event
    }

    /// A start is durable, or will never be.
    fileprivate func startAcknowledged(_ observer: StartObserver, _ outcome: Result<LSN, StoreError>) {
        let waiters = state.withLock { state in
            observer.key.flatMap { state.pendingStarts.removeValue(forKey: $0)?.waiters } ?? []
        }
        let answer: Result<RunID, any Error> = outcome.map { _ in observer.id }.mapError { Self.translated($0) }
        observer.continuation.resume(with: answer)
        for waiter in waiters { waiter.resume(with: answer) }
        if case .success = outcome { ensureAdmitted(observer.event.run) }
    }

    /// A run's start is durable: where it was not taken into memory at once, it queues. Called on the log's writer
    /// thread.
    func ensureAdmitted(_ run: RunNumber) {
        let (resident, queues) = state.withLock { state -> (Resident?, Bool) in
            if let resident = state.residents[run] { return (resident, false) }
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
