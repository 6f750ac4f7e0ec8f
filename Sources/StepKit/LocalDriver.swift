package import StepEngine
package import StepLog

/// Executes runs in this process, over a store.
///
/// Choose one by ``Driver/lmdb(path:acceptRollback:standby:)`` or ``Driver/inMemory``.
public struct LocalDriver: Driver {
    private enum Kind: Sendable {
        case lmdb(path: String, acceptRollback: Bool, standby: Bool)
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

    static func lmdb(path: String, acceptRollback: Bool, standby: Bool) -> LocalDriver {
        LocalDriver(.lmdb(path: path, acceptRollback: acceptRollback, standby: standby))
    }

    static let memory = LocalDriver(.memory)

    /// Opens the store.
    ///
    /// - Parameter options: the client's settings.
    /// - Returns: the engine, which executes nothing yet.
    /// - Throws: ``StoreError`` when the store can't be opened: in use, damaged, of a newer format, unfit place;
    ///   `CancellationError` when the task is cancelled while it stands by for a store in use.
    public func open(_ options: ClientOptions) async throws -> any DriverSession {
        let (kind, surroundings) = (kind, surroundings)
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
            return try Engine(store: store, client: options, surroundings: surroundings())
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
        case .memory: return try EventStore.inMemory(options: StoreOptions())
        case .store(let open): return try open()
        }
    }
}

extension Driver where Self == LocalDriver {
    /// An engine in this process over a store in a directory: the default.
    ///
    /// Every acknowledgement means that the data has been flushed to the disk. One engine may have the store open;
    /// other processes may read it. A second engine is refused with ``StoreError/Code/inUse(pid:)``, or stands by:
    ///
    /// ```swift
    /// // Returns once the other engine has closed the store or died, and goes on with its runs.
    /// let client = try await Client(id: "shop", driver: .lmdb(path: "/var/lib/shop", standby: true))
    /// ```
    ///
    /// - Parameters:
    ///   - path: the store's directory, created with mode 0700 when it does not exist. It must be on a local file
    ///     system.
    ///   - acceptRollback: opens a store that is older than what was acknowledged, for instance a restored backup. What
    ///     is missing is lost, and effects of lost steps may be repeated.
    ///   - standby: waits for a store that another engine has open, on this machine, until that one closes it or its
    ///     process ends; it takes over within a quarter of a second. Cancelling the task that opens the client ends
    ///     the waiting with `CancellationError`.
    /// - Returns: the driver.
    public static func lmdb(path: String, acceptRollback: Bool = false, standby: Bool = false) -> LocalDriver {
        .lmdb(path: path, acceptRollback: acceptRollback, standby: standby)
    }

    /// An engine in this process that keeps everything in memory and loses it with the process: for tests and trials.
    public static var inMemory: LocalDriver { .memory }
}
