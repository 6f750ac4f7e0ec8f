package import StepEngine
package import StepLog

/// Executes runs in this process over a store, or lets an engine in another process execute them.
///
/// Choose one by `.lmdb(path:role:acceptRollback:standby:)` or `.inMemory`.
public struct LocalDriver: Driver {
    /// What a process is to a store.
    public enum Role: Sendable, Hashable {
        /// It opens the store and executes its runs. One process at a time.
        case engine
        /// It starts, awaits, signals and cancels runs, which the engine in another process executes.
        case client
    }

    private enum Kind: Sendable {
        case lmdb(path: String, acceptRollback: Bool, standby: Bool)
        case client(path: String)
        case memory
        case store(@Sendable () throws -> EventStore)
    }

    private let kind: Kind
    private let surroundings: @Sendable () -> Engine.Surroundings

    private init(_ kind: Kind) {
        self.kind = kind
        surroundings = { Engine.Surroundings() }
    }

    /// A driver over a store of the caller's choice and with its own surroundings: for tests.
    package init(
        surroundings: @escaping @Sendable () -> Engine.Surroundings,
        store: @escaping @Sendable () throws -> EventStore
    ) {
        kind = .store(store)
        self.surroundings = surroundings
    }

    static func lmdb(path: String, role: Role, acceptRollback: Bool, standby: Bool) -> LocalDriver {
        switch role {
        case .engine: LocalDriver(.lmdb(path: path, acceptRollback: acceptRollback, standby: standby))
        case .client: LocalDriver(.client(path: path))
        }
    }

    static let memory = LocalDriver(.memory)

    /// Opens the store, unless an engine in another process has it: that one is connected to by the first call.
    ///
    /// - Parameter options: the client's settings.
    /// - Returns: the engine, which executes nothing yet, or what stands for the one in another process.
    /// - Throws: `StoreError` when the store can't be opened: in use, damaged, of another format, unfit place;
    ///   `CancellationError` when the task is cancelled while it stands by for a store in use.
    public func open(_ options: ClientOptions) async throws -> any DriverSession {
        let (kind, surroundings) = (kind, surroundings)
        if case .client(let path) = kind { return try SocketSession(directory: path) }
        let standby = Standby()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                // Opening waits for the disk, or for another engine, which the cooperative pool must not.
                OpeningThread.run {
                    continuation.resume(
                        with: Result { try Self.engine(over: try Self.open(kind, standby), options, surroundings) })
                }
            }
        } onCancel: {
            standby.cancel()
        }
    }

    private static func engine(
        over store: EventStore, _ options: ClientOptions, _ surroundings: () -> Engine.Surroundings
    ) throws -> any DriverSession {
        do {
            let engine = try Engine(store: store, client: options, surroundings: surroundings())
            engine.listen()
            return engine
        } catch {
            store.close()
            throw error
        }
    }

    private static func open(_ kind: Kind, _ standby: Standby) throws -> EventStore {
        switch kind {
        case .lmdb(let path, let acceptRollback, let standsBy):
            var options = StoreOptions()
            options.acceptRollback = acceptRollback
            options.standby = standsBy ? standby : nil
            do {
                return try EventStore.openLMDB(directory: path, options: options)
            } catch {
                guard case .inUse = error.code, standsBy, standby.isCancelled else { throw error }
                throw CancellationError()
            }
        case .client(let path): throw StoreError(.readOnly, "a client opens no store", path: path)
        case .memory: return try EventStore.inMemory(options: StoreOptions())
        case .store(let open): return try open()
        }
    }
}

extension Driver where Self == LocalDriver {
    /// An engine in this process over a store in a directory: the default.
    ///
    /// Every acknowledgement means that the data has been flushed to the disk. One engine may have the store open;
    /// other processes may read it. A second engine is refused with `StoreError` of code `inUse(pid:)`, or stands by:
    ///
    /// ```swift
    /// // Returns once the other engine has closed the store or died, and goes on with its runs.
    /// let client = try await Client(id: "shop", driver: .lmdb(path: "/var/lib/shop", standby: true))
    /// ```
    ///
    /// Other processes of the same user start, await, signal and cancel runs through the engine's socket, `engine.sock`
    /// in the directory, for instance a web server beside the worker:
    ///
    /// ```swift
    /// let client = try await Client(id: "web", driver: .lmdb(path: "/var/lib/shop", role: .client))
    /// let processOrder = client.workflow("process-order", input: Order.self, orderWorkflow)
    /// let run = try await processOrder.start(order, id: order.id)
    /// ```
    ///
    /// Such a client executes nothing; its `run()` stays until it is shut down. It may be opened before the engine is
    /// there, and connects anew when the engine was started again: calls meanwhile throw `EngineUnreachable`, and a
    /// `result()` that has waited goes on waiting for up to half a minute or so until an engine is back. Errors are
    /// those that the engine's process would see; what has no type there is a `RemoteEngineError`. What a workflow
    /// that the engine does not know is asked to do waits in the store until it is registered there.
    ///
    /// - Parameters:
    ///   - path: the store's directory, created with mode 0700 when it does not exist. It must be on a local file
    ///     system.
    ///   - role: whether this process executes the runs, or reaches the engine that does. A client leaves the other
    ///     parameters unused.
    ///   - acceptRollback: opens a store that is older than what was acknowledged, for instance a restored backup. What
    ///     is missing is lost, and effects of lost steps may be repeated.
    ///   - standby: waits for a store that another engine has open, on this machine, until that one closes it or its
    ///     process ends; it takes over within a quarter of a second. Cancelling the task that opens the client ends
    ///     the waiting with `CancellationError`.
    /// - Returns: the driver.
    public static func lmdb(
        path: String, role: LocalDriver.Role = .engine, acceptRollback: Bool = false, standby: Bool = false
    ) -> LocalDriver {
        .lmdb(path: path, role: role, acceptRollback: acceptRollback, standby: standby)
    }

    /// An engine in this process that keeps everything in memory and loses it with the process: for tests and trials.
    public static var inMemory: LocalDriver { .memory }
}
