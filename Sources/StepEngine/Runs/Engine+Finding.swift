package import StepCore
package import StepEvents
import StepLocks
import StepLog
import StepReplay
import Synchronization

extension Engine {
    package func find(workflow: String, key: String) async throws -> RunID? {
        let store = store
        return try await pool.perform {
            try store.read { snapshot in try snapshot.run(workflow: workflow, key: key)?.id }
        }
    }

    package func describe(_ run: RunID) async throws -> RunDescription? {
        let store = store
        return try await pool.perform {
            guard let row = try store.read({ snapshot in try snapshot.run(id: run) }) else { return nil }
            return RunDescription(
                id: row.id, workflow: row.workflow, key: row.key, status: row.status,
                failure: row.failure.map { Failure(type: $0.type, message: $0.message) })
        }
    }

    package func result(of run: RunID) async throws -> EncodedValue {
        let token = results.token()
        defer { results.forget(token) }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                // Registered first, then looked up: a run that ends in between is noticed by one of the two.
                results.register(token, for: run, continuation)
                pool.submit(.job { [self] in lookUpResult(of: run) })
            }
        } onCancel: {
            results.cancel(token, for: run)
        }
    }

    private func lookUpResult(of run: RunID) {
        do {
            guard let row = try store.read({ snapshot in try snapshot.run(id: run) }) else {
                return results.resolve(run, .failure(RunNotFound(name: run.description)))
            }
            guard row.status.isFinal else {
                let problem: (any Error)? = state.withLock { state in
                    switch state.phase {
                    case .running, .stopping: nil
                    case .idle: EngineNotRunning(operation: "waiting for a result")
                    case .closed: EngineStopped(reason: "the client was closed")
                    case .failed(let error): EngineStopped(reason: "\(error)")
                    }
                }
                if let problem { results.resolve(run, .failure(problem)) }
                return
            }
            let last = try store.read { snapshot in try snapshot.event(at: row.head) }
            results.resolve(run, Self.result(last?.event.body, row))
        } catch {
            results.resolve(run, .failure(error))
        }
    }

    private static func result(_ last: EventBody?, _ row: RunRow) -> Result<EncodedValue, any Error> {
        switch last {
        case .runSucceeded(let body): .success(EncodedValue(body.output))
        case .runFailed(let body): .failure(RunFailedError(runID: row.id, failure: body.failure))
        case .runCancelled:
            .failure(
                RunCancelledError(runID: row.id, by: row.cancel?.by ?? "", reason: row.cancel?.reason ?? ""))
        default: .failure(RunNotFound(name: row.id.description))
        }
    }

    package func cancel(_ run: RunID, by: String, reason: String) async throws {
        let store = store
        let row = try await pool.perform { try store.read { snapshot in try snapshot.run(id: run) } }
        guard let row else { throw RunNotFound(name: run.description) }
        guard !row.status.isFinal else { return }
        let limit = Limits.cancellationTextBytes
        let (by, reason) = (by.cut(toBytes: limit), reason.cut(toBytes: limit))
        try requireRunning(for: "cancelling a run")
        try await answers.wait { token in
            wake(row.number, with: .cancelRun(by: by, reason: reason, token: token))
        }
    }

    func answerCancel(_ token: UInt64, _ outcome: Result<Bool, StoreError>) {
        guard token != 0 else { return }
        answers.answer(token, outcome.map { _ in () }.mapError { $0 })
    }
}
