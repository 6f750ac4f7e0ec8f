package import StepCore
package import StepEvents
import StepLocks
package import StepLog

/// A client of an engine in another process: it executes nothing, and passes on what it is asked.
package final class SocketSession: DriverSession {
    private struct State {
        var workflows: Set<String> = []
        var running: [CheckedContinuation<Void, Never>] = []
        /// A shutdown was asked for before ``run()``.
        var stopsAtOnce = false
        var isClosed = false
    }

    private let link: EngineLink
    private let pause: ReconnectPause
    private let state = Locked(State())

    /// Connects to nothing yet: the engine may come later.
    package init(directory: String, pause: ReconnectPause = .usual) throws(StoreError) {
        self.pause = pause
        do {
            link = try EngineLink(directory: directory, pause: pause)
        } catch {
            throw StoreError(.system, error.description, path: directory)
        }
    }

    package func register(_ workflow: WorkflowDefinition) throws {
        let isNew = state.withLock { $0.workflows.insert(workflow.id).inserted }
        guard isNew else { throw RegistrationError(workflow: workflow.id, reason: "the id is registered already") }
    }

    // MARK: Asking

    package func start(_ request: StartRequest) async throws -> RunID {
        guard case .run(let run?) = try await link.ask(.start(request)) else { throw Self.misunderstood }
        return run
    }

    /// Waits for the end of the run, also while its engine is started again.
    package func result(of run: RunID) async throws -> EncodedValue {
        var failures = 0
        var hasWaited = false
        while true {
            do {
                guard case .output(let output) = try await link.ask(.result(run)) else { throw Self.misunderstood }
                return EncodedValue(output)
            } catch {
                if (error as? EngineUnreachable)?.mayHaveHappened == true {
                    // Someone was there to bring the run forward, and should come back.
                    hasWaited = true
                    failures = 0
                }
                guard hasWaited, Self.mayReturn(error), !state.withLock({ $0.isClosed }) else { throw error }
                failures += 1
                guard try await pause.beforeAskingAgain(failures) else { throw error }
            }
        }
    }

    /// Whether the engine is not there now, not yet or no longer executing.
    private static func mayReturn(_ error: any Error) -> Bool {
        error is EngineUnreachable || error is EngineStopped || error is EngineNotRunning
    }

    package func find(workflow: String, key: String) async throws -> RunID? {
        // No run was ever started with such a key.
        guard key.utf8.count <= Limits.idBytes else { return nil }
        guard case .run(let run) = try await link.ask(.find(workflow: workflow, key: key)) else {
            throw Self.misunderstood
        }
        return run
    }

    package func describe(_ run: RunID) async throws -> RunDescription? {
        guard case .description(let description) = try await link.ask(.describe(run)) else { throw Self.misunderstood }
        return description
    }

    package func cancel(_ run: RunID, by: String, reason: String) async throws {
        guard case .done = try await link.ask(.cancel(run, by: by, reason: reason)) else { throw Self.misunderstood }
    }

    package func signal(_ signal: SignalRequest) async throws -> RunID? {
        guard case .run(let run) = try await link.ask(.signal(signal)) else { throw Self.misunderstood }
        return run
    }

    private static var misunderstood: RemoteEngineError {
        RemoteEngineError(type: "StepEngine.SocketAnswer", message: "the engine answered something else than was asked")
    }

    // MARK: Life

    /// Executes nothing; stays until it is shut down, so that the client can be a service among others.
    package func run() async throws {
        guard !state.withLock({ $0.isClosed }) else { throw EngineStopped(reason: "the client was closed") }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if state.isClosed || state.stopsAtOnce { return true }
                    state.running.append(continuation)
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            stop()
        }
        state.withLock { $0.stopsAtOnce = false }
    }

    package func beginShutdown() { stop() }

    private func stop() {
        let running = state.withLock { state in
            if state.running.isEmpty { state.stopsAtOnce = true }
            defer { state.running = [] }
            return state.running
        }
        for continuation in running { continuation.resume() }
    }

    package func close() async {
        state.withLock { $0.isClosed = true }
        stop()
        link.close()
    }
}
