import Logging
import StepCore
import StepEvents
import StepLocks
import StepLog

extension Engine {
    /// Lets other processes start, await, signal and cancel runs through a socket in the store's directory.
    ///
    /// An engine that can't have its socket executes its runs all the same; the log says why. It blocks on the disk.
    package func listen() {
        guard let directory = store.path else { return }
        do {
            let socket = try ListeningSocket(at: SocketPlace.choose(for: directory))
            var settings = SocketServer.Settings()
            settings.payloadLimit = client.payloadLimit
            try listen(on: socket, settings)
            store.note(socket: socket.place.path)
        } catch {
            logger.error(
                "the engine can't be reached from other processes",
                metadata: ["store": "\(directory)", "error": "\(error)"])
        }
    }

    func listen(on socket: ListeningSocket, _ settings: SocketServer.Settings) throws(SocketFailure) {
        let server = try SocketServer(socket, settings: settings, logger: logger) { [weak self] request in
            guard let self else { throw EngineStopped(reason: "the client was closed") }
            return try await self.answer(request)
        }
        self.server.withLock { $0 = server }
    }

    /// Answers another process. What callers in this process can't get wrong is checked here.
    private func answer(_ request: SocketRequest) async throws -> SocketAnswer {
        switch request {
        case .start(let start):
            try StepName.check(start.workflow)
            if let key = start.key { try StepName.check(key) }
            try check(start.input, what: "the input of workflow \"\(start.workflow)\"")
            try checkInput(of: start)
            return .run(try await self.start(start))
        case .result(let run):
            let waits = state.withLock { $0.phase.isRunning || $0.phase.isStopping }
            do {
                return .output(try await result(of: run).payload)
            } catch  where waits && (error is EngineNotRunning || error is EngineStopped) {
                // It ran when it was asked: the client may wait for its return.
                throw EngineLeft(description: "\((error as? EngineStopped)?.description ?? "the engine shut down")")
            }
        case .find(let workflow, let key): return .run(try await find(workflow: workflow, key: key))
        case .describe(let run): return .description(try await describe(run))
        case .cancel(let run, let by, let reason):
            try await cancel(run, by: WireText.cut(by), reason: WireText.cut(reason))
            return .done
        case .signal(let signal):
            try StepName.check(signal.name, limit: Limits.signalNameBytes)
            if let key = signal.idempotencyKey { try StepName.check(key) }
            try check(signal.payload, what: "the data of signal \"\(signal.name)\"")
            return .run(try await self.signal(signal))
        case .abandon: return .done
        }
    }

    private func check(_ payload: Payload, what: String) throws {
        let bytes = payload.bytes.count
        guard bytes <= client.payloadLimit else {
            throw PayloadTooLarge(what: what, bytes: bytes, limit: client.payloadLimit)
        }
    }

    /// The other process may know the workflow by another input. Where the function that would get it is here, its
    /// sender is told now and not the run later; a workflow or version that is not here waits for the engine that has
    /// it.
    private func checkInput(of start: StartRequest) throws {
        let definition = state.withLock { $0.definitions[start.workflow] }
        guard let definition, definition.accepts.contains(start.version) else { return }
        do {
            try definition.checkInput(start.input)
        } catch {
            throw InvalidInputError(workflow: start.workflow, reason: "\(error)")
        }
    }
}
