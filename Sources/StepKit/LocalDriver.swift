package import StepEngine
package import StepLog

/// Executes runs in this process, over a store.
///
/// Choose one by ``Driver/lmdb(path:acceptRollback:)`` or ``Driver/inMemory``.
public struct LocalDriver: Driver {
    private enum Kind: Sendable {
        case lmdb(path: String, acceptRollback: Bool)
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

    static func lmdb(path: String, acceptRollback: Bool) -> LocalDriver {
        LocalDriver(.lmdb(path: path, acceptRollback: acceptRollback))
    }

    static let memory = LocalDriver(.memory)

    /// Opens the store.
    ///
    /// - Parameter options: the client's settings.
    /// - Returns: the engine, which executes nothing yet.
    /// - Throws: ``StoreError`` when the store can't be opened: in use, damaged, of a newer format, unfit place.
    public func open(_ options: ClientOptions) async throws -> any DriverSession {
        let kind = kind
        let store = try await withCheckedThrowingContinuation { continuation in
            // Opening waits for the disk, which the cooperative pool must not.
            OpeningThread.run { continuation.resume(with: Result { try Self.open(kind) }) }
        }
        return try Engine(store: store, client: options, surroundings: surroundings())
    }

    private static func open(_ kind: Kind) throws -> EventStore {
        switch kind {
        case .lmdb(let path, let acceptRollback):
            var options = StoreOptions()
            options.acceptRollback = acceptRollback
            return try EventStore.openLMDB(directory: path, options: options)
        case .memory: return try EventStore.inMemory(options: StoreOptions())
        case .store(let open): return try open()
        }
    }
}

extension Driver where Self == LocalDriver {
    /// An engine in this process over a store in a directory: the default.
    ///
    /// Every acknowledgement means that the data has been flushed to the disk. One engine may have the store open;
    /// other processes may read it.
    ///
    /// - Parameters:
    ///   - path: the store's directory, created with mode 0700 when it does not exist. It must be on a local file
    ///     system.
    ///   - acceptRollback: opens a store that is older than what was acknowledged, for instance a restored backup. What
    ///     is missing is lost, and effects of lost steps may be repeated.
    /// - Returns: the driver.
    public static func lmdb(path: String, acceptRollback: Bool = false) -> LocalDriver {
        .lmdb(path: path, acceptRollback: acceptRollback)
    }

    /// An engine in this process that keeps everything in memory and loses it with the process: for tests and trials.
    public static var inMemory: LocalDriver { .memory }
}
