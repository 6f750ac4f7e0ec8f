package import StepCore
package import StepEngine
package import StepEvents
import StepLocks
package import StepLog

/// A client whose engine, store, clock and randomness belong to a test: it can be shut down, killed and started again.
///
/// Workflows are registered with ``client`` after each start. Time stands still unless the test moves ``clock``.
/// For use from one task.
package final class TestEngine {
    package private(set) var client: Client
    package private(set) var clock: VirtualClock
    package let logs = LogRecorder()
    /// Notes when the engine gives memory back to the system, and whether on a thread of its own.
    package let trims = Journal()
    private let store: EngineStore
    private let seed: UInt64
    private let timersAtOnce: Int
    private let flushLimit: Duration?
    private let configure: (inout ClientOptions) -> Void
    private var driver: TestDriver
    private var running: Task<Void, any Error>?
    private var starts: UInt64 = 0

    /// - Parameters:
    ///   - form: what the store is kept in.
    ///   - seed: of run ids and runs' seeds.
    ///   - writer: whether the store commits by itself, or when the test says so by ``commit()``.
    ///   - memory: what the store holds already, for ``StoreForm/memory``.
    ///   - now: where the clock begins.
    ///   - timersAtOnce: how many timers of runs that are not resident are set at once.
    ///   - flushLimit: how long a function may compute before what was accepted for it goes to the log; by default,
    ///     which events share a commit does not depend on how fast the machine is.
    ///   - configure: changes the client's settings.
    /// - Throws: what opening the store throws.
    package init(
        _ form: StoreForm, seed: UInt64 = 1, writer: StoreOptions.WriterMode = .thread, memory: MemoryTables? = nil,
        now: Timestamp? = nil, timersAtOnce: Int = 10_000, flushLimit: Duration? = nil,
        configure: @escaping (inout ClientOptions) -> Void = { _ in }
    ) async throws {
        let clock = now.map { VirtualClock(now: $0) } ?? VirtualClock()
        self.clock = clock
        self.seed = seed
        self.timersAtOnce = timersAtOnce
        self.flushLimit = flushLimit
        self.configure = configure
        let store = try await offPool { try EngineStore(form, writer: writer, memory: memory) }
        self.store = store
        driver = TestDriver(
            store: store.store, clock: clock, seed: seed, timersAtOnce: timersAtOnce, flushLimit: flushLimit,
            trims: trims)
        client = try await Client(id: "test", driver: driver, logger: logs.logger, configure: configure)
    }

    // MARK: Life

    /// Begins to execute runs; the engine has looked for unfinished ones when this returns.
    package func run() async throws {
        guard running == nil else { return }
        let client = client
        running = Task { try await client.run() }
        // The first thing that an engine does after it has recovered is to set its timers.
        try await clock.untilAlarm()
    }

    /// Kills the process: nothing that is not committed by now ever will be. A new one has opened the store when this
    /// returns; register its workflows and call ``run()``.
    ///
    /// - Parameter downtime: how long no process was there.
    /// - Throws: what opening the store throws.
    package func kill(downtime: Duration = .zero) async throws {
        store.kill()
        let store = store
        // What the killed engine still does reaches nobody, but it must end, since its threads are ours: it ends when
        // a commit has failed, and this is one.
        try await offPool {
            try? store.store.submit(Command(batch: EventBatch(), changes: [.deleteOpen(RunNumber(.max))]))
            while store.store.commitPending() {}
        }
        let running = running
        self.running = nil
        _ = await running?.result
        try await reopen(downtime: downtime)
    }

    /// Shuts the engine down in order and opens the store anew; register the new process's workflows and call
    /// ``run()``.
    package func restart(downtime: Duration = .zero) async throws {
        try await shutDown()
        try await reopen(downtime: downtime)
    }

    /// Shuts the engine down in order and waits for its end.
    package func shutDown() async throws {
        let running = running
        self.running = nil
        driver.engine?.beginShutdown()
        try await running?.value
    }

    /// Waits for the engine's end, whatever brings it about.
    package func ended() async throws {
        let running = running
        self.running = nil
        try await running?.value
    }

    /// Fills the disk: nothing more finds room until ``freeDisk()``, or the next process opens the store.
    package func fillDisk() { store.fill() }
    package func freeDisk() { store.free() }

    /// Asks for a shutdown and does not wait for its end.
    package func beginShutdown() { driver.engine?.beginShutdown() }

    private func reopen(downtime: Duration) async throws {
        await client.close()
        driver.watch.end()
        let clock = VirtualClock(now: clock.now.advanced(by: downtime))
        self.clock = clock
        starts += 1
        let store = store
        try await offPool { try store.reopen() }
        driver = TestDriver(
            store: store.store, clock: clock, seed: seed &+ starts, timersAtOnce: timersAtOnce,
            flushLimit: flushLimit, trims: trims)
        client = try await Client(id: "test", driver: driver, logger: logs.logger, configure: configure)
    }

    /// Shuts down, verifies the store and closes it.
    package func finish() async throws {
        var failure: (any Error)?
        do { try await shutDown() } catch { failure = error }
        driver.watch.end()
        await client.close()
        let store = store
        try await offPool {
            try store.reopen()
            defer { store.store.close() }
            try store.store.requireSound()
        }
        if let failure { throw failure }
    }

    // MARK: The store

    /// What a new process would find now, for stores in memory.
    package var memory: MemoryTables { store.memory }

    /// The engine itself, for what no client can bring about in a certain order.
    package var inner: Engine? { driver.engine }

    /// The store, for reading off the cooperative pool.
    package var log: EventStore { store.store }

    /// Commits what is queued; only with `WriterMode.manual`.
    @discardableResult
    package func commit() async -> Bool {
        let store = store.store
        return await offPoolWithoutError { store.commitPending() }
    }

    package func read<T: Sendable>(_ body: @escaping @Sendable (borrowing StoreSnapshot) throws -> T) async throws -> T
    {
        let store = store.store
        return try await offPool { try store.read(body) }
    }

    /// The events of a run, oldest first.
    package func history(of run: RunID) async throws -> [Event] {
        let store = store.store
        return try await offPool {
            guard let number = try store.read({ try $0.number(of: run) }) else { return [] }
            return try store.history(of: number).map(\.event)
        }
    }

    package func kinds(of run: RunID) async throws -> [EventKind] { try await history(of: run).map(\.kind) }

    package func state(of run: RunID) async throws -> RunState? {
        let history = try await history(of: run)
        return history.isEmpty ? nil : try RunState(history: history)
    }

    /// Waits, from commit to commit, until the store is such.
    ///
    /// - Throws: `NeverCame` when nothing will be committed any more.
    package func until(
        _ what: String = "the store's state", _ condition: @escaping @Sendable (borrowing StoreSnapshot) throws -> Bool
    ) async throws {
        try await until(what) { [self] in try await read(condition) }
    }

    /// Waits, from commit to commit, until the run's recorded state is such.
    package func until(
        _ run: RunID, _ what: String = "the run's state", _ condition: (RunState) -> Bool
    ) async throws {
        try await until(what) { [self] in try await state(of: run).map(condition) ?? false }
    }

    private func until(_ what: String, _ condition: () async throws -> Bool) async throws {
        let watch = driver.watch
        while true {
            let count = watch.count
            let isOver = watch.isOver
            if try await condition() { return }
            if isOver { throw NeverCame(what: what) }
            try await watch.past(count)
        }
    }

    /// Lets time pass, from one thing that is due to the next, until the run has ended: whenever all open runs only
    /// wait, the clock moves to what is due first.
    package func passTime(until run: RunID) async throws {
        try await until("the end of the run") { [self] in
            let store = store.store
            let (isOver, due) = try await offPool { () throws -> (Bool, Timestamp?) in
                if try store.read({ try $0.run(id: run) })?.status.isFinal == true { return (true, nil) }
                return (false, try Self.firstDue(store))
            }
            if let due, due > clock.now { clock.advance(by: clock.now.duration(to: due)) }
            return isOver
        }
    }

    /// What is due first, if every open run only waits.
    private static func firstDue(_ store: EventStore) throws -> Timestamp? {
        var first: Timestamp?
        for run in try store.read({ try $0.openRuns() }) {
            let state = try RunState(history: store.history(of: run).map(\.event))
            if state.status == .held { continue }
            var dues = [state.retryAt].compactMap { $0 }
            for open in state.open.values {
                switch open.activity {
                case .attempt(_, .failed(let retryAt)): dues.append(retryAt)
                case .sleep(let until): dues.append(until)
                case .wait(let signal, _, let timeoutAt):
                    // A kept signal is on its way.
                    if try !store.read({ try $0.kept(signal, limit: 1) }).isEmpty { return nil }
                    dues += [timeoutAt].compactMap { $0 }
                case .child(_, _, let timeoutAt): dues += [timeoutAt].compactMap { $0 }
                case .attempt, .send: return nil
                }
            }
            guard state.retryAt != nil || !state.open.isEmpty else { return nil }
            first = (dues + [first].compactMap { $0 }).min()
        }
        return first
    }

    /// Waits until the run sleeps, durably; its timer is set then.
    package func untilSleeping(_ run: RunID) async throws {
        try await until(run, "a sleep") {
            $0.open.values.contains { if case .sleep = $0.activity { true } else { false } }
        }
    }

    /// Waits until the run waits for a signal of the name, durably.
    package func untilWaiting(_ run: RunID, for signal: String) async throws {
        try await until(run, "a wait for \(signal)") { state in
            state.open.values.contains { open in
                if case .wait(signal, _, _) = open.activity { true } else { false }
            }
        }
    }

    /// Waits until an attempt of the run failed and its next one is set for later.
    package func untilRetrying(_ run: RunID) async throws {
        try await until(run, "a failed attempt") { state in
            state.retryAt != nil
                || state.open.values.contains { if case .attempt(_, .failed) = $0.activity { true } else { false } }
        }
    }
}

/// What a test waits for can't come any more.
package struct NeverCame: Error { package let what: String }

/// Opens an engine with a test's surroundings over a test's store.
private final class TestDriver: Driver {
    let store: EventStore
    let clock: VirtualClock
    let seed: UInt64
    let timersAtOnce: Int
    let flushLimit: Duration?
    let trims: Journal
    let watch = CommitWatch()
    private let opened = Locked<Engine?>(nil)

    init(
        store: EventStore, clock: VirtualClock, seed: UInt64, timersAtOnce: Int, flushLimit: Duration?, trims: Journal
    ) {
        self.trims = trims
        self.store = store
        self.clock = clock
        self.seed = seed
        self.timersAtOnce = timersAtOnce
        self.flushLimit = flushLimit
    }

    var engine: Engine? { opened.withLock { $0 } }

    func open(_ options: ClientOptions) async throws -> any DriverSession {
        let engine = try Engine(
            store: store, client: options,
            surroundings: Engine.Surroundings(
                clock: clock, randomness: SeededRandomness(seed: seed), threads: 2, timersAtOnce: timersAtOnce,
                flushLimit: flushLimit,
                giveMemoryBack: { [trims] in
                    trims.note(withUnsafeCurrentTask { $0 == nil } ? "trimmed" : "trimmed on a task's thread")
                }))
        let (watch, before) = (watch, store.didCommit)
        store.didCommit = {
            before?()
            watch.committed()
        }
        opened.withLock { $0 = engine }
        return engine
    }
}

/// Runs what may wait for the disk on a thread of its own.
package func offPool<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
        EngineThread.start { continuation.resume(with: Result { try body() }) }
    }
}

package func offPoolWithoutError<T: Sendable>(_ body: @escaping @Sendable () -> T) async -> T {
    await withCheckedContinuation { continuation in
        EngineThread.start { continuation.resume(returning: body()) }
    }
}

/// Lends an engine, shuts it down, and verifies the store.
package func withEngine(
    _ form: StoreForm, seed: UInt64 = 1, timersAtOnce: Int = 10_000, flushLimit: Duration? = nil,
    configure: @escaping (inout ClientOptions) -> Void = { _ in }, _ body: (TestEngine) async throws -> Void
) async throws {
    try await EngineSlots.shared.take()
    defer { EngineSlots.shared.giveBack() }
    let engine = try await TestEngine(
        form, seed: seed, timersAtOnce: timersAtOnce, flushLimit: flushLimit, configure: configure)
    do {
        try await body(engine)
    } catch {
        try? await engine.finish()
        throw error
    }
    try await engine.finish()
}
