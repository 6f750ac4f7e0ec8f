import DequeModule
import Logging
package import StepCore
package import StepEvents
import StepLocks
package import StepLog
import StepReplay
import Synchronization

/// The local engine: executes runs over an ``EventStore``.
///
/// What decides is elsewhere: which event may follow is ``RunState``'s to say, what a step does next the machine's of
/// its run. The engine gives runs threads, timers, signals, children and commits.
package final class Engine: DriverSession {
    package let store: EventStore
    let client: ClientOptions
    let clock: any EngineClock
    let randomness: any EngineRandomness
    let pool: WorkerPool
    let timers: TimerService
    let timersAtOnce: Int
    let giveMemoryBack: @Sendable () -> Void
    let bodyExecutor: BodyExecutor
    let state: Locked<EngineState>
    let wallClock: Locked<WallClockSteps>
    let results = ResultWaiters()
    let signals = SignalRouter()
    let answers = PendingAnswers()
    /// Answers other processes, where there can be any.
    let server = Locked<SocketServer?>(nil)
    private let resumed = Locked<[WorkflowInstance]>([])
    let stopping = Atomic<Bool>(false)
    private let resumedTogether = Atomic<Int>(0)

    /// How the engine reaches what is not deterministic.
    package struct Surroundings: Sendable {
        package var clock: any EngineClock
        package var randomness: any EngineRandomness
        /// Threads that drain runs and read the store, and as many that run bodies.
        package var threads: Int
        /// How many timers of runs that are not resident are set at once; the others wait in the store.
        package var timersAtOnce: Int
        /// How long a run's function may compute before what was accepted for it is handed to the log all the same;
        /// `nil`: never by itself.
        package var flushLimit: Duration?
        /// Has the allocator give memory back to the system; it may take milliseconds.
        package var giveMemoryBack: @Sendable () -> Void

        package init(
            clock: any EngineClock = SystemClock(), randomness: any EngineRandomness = SystemRandomness(),
            threads: Int = min(8, max(2, EngineThread.processors)), timersAtOnce: Int = 10_000,
            flushLimit: Duration? = .milliseconds(1),
            giveMemoryBack: @escaping @Sendable () -> Void = SystemMemory.trim
        ) {
            self.flushLimit = flushLimit
            self.giveMemoryBack = giveMemoryBack
            self.timersAtOnce = max(1, timersAtOnce)
            self.clock = clock
            self.randomness = randomness
            self.threads = threads
        }
    }

    /// An engine over an open store. Nothing is executed before ``run()``. It reads the store, and so blocks on the disk.
    package init(store: EventStore, client: ClientOptions, surroundings: Surroundings = Surroundings()) throws {
        // Before anything is begun that would have to be ended when this fails.
        let (last, lastLSN) = try store.read { snapshot in (try snapshot.lastRun(), try snapshot.lastLSN()) }
        guard last.value < .max / 2 else {
            throw StoreError(.damaged, "no store comes to a run of this number", path: store.path, run: last)
        }
        self.store = store
        self.client = client
        clock = surroundings.clock
        randomness = surroundings.randomness
        pool = WorkerPool(threads: surroundings.threads, flushLimit: surroundings.flushLimit)
        bodyExecutor = BodyExecutor(threads: surroundings.threads)
        timers = TimerService(clock: surroundings.clock)
        let (now, uptime) = clock.together ?? (clock.now, clock.uptime)
        wallClock = Locked(WallClockSteps(now: now, uptime: uptime, last: lastLSN))
        timersAtOnce = surroundings.timersAtOnce
        giveMemoryBack = surroundings.giveMemoryBack
        state = Locked(EngineState(nextRun: last.value + 1))
        store.didCommit = { [weak self] in self?.flushResumed() }
        store.busyRuns = { [weak self] in self?.hasRunsAtWork ?? false }
        store.onHealthChange = { [weak self] in self?.healthChanged($0) }
        for warning in store.warnings { client.logger.warning("\(warning)") }
        timers.start { [weak self] in self?.timersFired($0) }
    }

    var isStopping: Bool { stopping.load(ordering: .acquiring) }
    var logger: Logger { client.logger }
    package var counts: EngineCounts { state.withLock { $0.counts } }

    package func allocateRun() -> RunNumber {
        state.withLock { state in
            defer { state.nextRun += 1 }
            return RunNumber(state.nextRun)
        }
    }

    // MARK: Commits

    /// Called on the log's writer thread for each run that a commit lets go on; they are woken together.
    func resumeAfterCommit(_ instance: WorkflowInstance) { resumed.withLock { $0.append(instance) } }

    private func flushResumed() {
        let instances = resumed.withLock { resumed in
            defer { resumed.removeAll(keepingCapacity: true) }
            return resumed
        }
        resumedTogether.store(instances.count, ordering: .releasing)
        pool.submit(instances)
    }

    /// Whether runs that the last commit let go on are still at work: the log's writer then waits a moment for what
    /// they bring. A single run would only wait for itself.
    private var hasRunsAtWork: Bool { resumedTogether.load(ordering: .acquiring) > 1 && pool.isBusy }

    private func healthChanged(_ health: StoreHealth) {
        switch health {
        case .healthy: logger.notice("the store takes new work again")
        case .fillingUp(let quota): logger.warning("the store fills up", metadata: ["quota": "\(quota)"])
        case .full(let error):
            logger.error("the store is full", metadata: ["error": "\(error)"])
            letGoIfFull()
        case .fenced(let error), .poisoned(let error): storeFailed(error)
        }
    }

    /// The store will take nothing more: everything that waits is told, and ``run()`` ends with the error.
    func storeFailed(_ error: StoreError) {
        let (isFirst, residents) = state.withLock { state -> (Bool, [Resident]) in
            if case .failed = state.phase { return (false, []) }
            if case .closed = state.phase { return (false, []) }
            state.phase = .failed(error)
            return (true, Array(state.residents.values))
        }
        guard isFirst else { return }
        logger.critical("the engine stops", metadata: ["error": "\(error)"])
        stopping.store(true, ordering: .releasing)
        for resident in residents { resident.post(.unwind(interrupting: false)) }
        results.fail(EngineStopped(reason: "\(error)"))
        answers.fail(error)
        signals.fail(error)
        resumeStopWaiters()
    }

    // MARK: DriverSession

    package func register(_ workflow: WorkflowDefinition) throws {
        let resumes = try state.withLock { state in
            guard state.definitions[workflow.id] == nil else {
                throw RegistrationError(workflow: workflow.id, reason: "the id is registered already")
            }
            state.definitions[workflow.id] = workflow
            for run in (state.stranded.removeValue(forKey: workflow.id) ?? []).sorted() {
                state.enqueueRecovered(run)
            }
            return state.phase.isRunning
        }
        if resumes { pump() }
    }

    /// Executes runs until it is shut down or the store fails.
    package func run() async throws {
        try state.withLock { state in
            switch state.phase {
            case .idle: state.phase = state.stopsAtOnce ? .stopping : .running
            case .running, .stopping: throw EngineStopped(reason: "it is running already")
            case .closed: throw EngineStopped(reason: "the client was closed")
            case .failed(let error): throw error
            }
        }
        stopping.store(false, ordering: .releasing)
        defer { endedRunning() }
        try await withTaskCancellationHandler {
            do {
                try await recover()
            } catch {
                // What was taken into memory meanwhile must not go on without an engine that runs.
                stop(grace: .zero)
                await untilOver()
                throw error
            }
            await untilOver()
        } onCancel: {
            stop(grace: .zero)
        }
        try state.withLock { state in
            if case .failed(let error) = state.phase { throw error }
        }
        if try await !drainLog() {
            logger.error("the store is full: what was decided last is not recorded, and is decided anew next time")
        }
    }

    package func beginShutdown() { stop(grace: client.shutdownGrace) }

    /// Hands to the log what was accepted for runs whose functions compute right now.
    package func flushComputing() { pool.flushAll() }

    /// Submits what no run made and waits until it is durable.
    package func commit(
        _ batch: EventBatch = EventBatch(), _ changes: [TableChange] = [],
        priority: Command.Priority = .completion
    ) async throws {
        try await submitAndWait(batch, changes, priority) { _ in }
    }

    func submitAndWait(
        _ batch: EventBatch, _ changes: [TableChange], _ priority: Command.Priority, _ note: (UInt64) -> Void
    ) async throws {
        try await answers.wait { token in
            note(token)
            let observer = ColdObserver { [answers] outcome in
                answers.answer(token, outcome.map { _ in () }.mapError { $0 })
            }
            do throws(StoreError) {
                try store.submit(Command(batch: batch, changes: changes, observer: observer, priority: priority))
            } catch {
                answers.answer(token, .failure(Self.translated(error)))
            }
            letGoIfFull()
        }
    }

    package func close() async {
        await endRunning()
        state.withLock { state in
            if case .failed = state.phase { return }
            state.phase = .closed
        }
        results.fail(EngineStopped(reason: "the client was closed"))
        let store = store
        let server = server.withLock { server in
            defer { server = nil }
            return server
        }
        try? await pool.perform {
            // Before the store: the next engine puts its own socket in the same place.
            server?.stop()
            store.close()
        }
        clock.stop()
        pool.stop()
        bodyExecutor.stop()
    }

    /// Ends ``run()``, cutting off what it executes, and waits for its end.
    private func endRunning() async {
        stop(grace: .zero)
        unwindAll()
        while state.withLock({ $0.phase.isRunning || $0.phase.isStopping }) {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    guard state.phase.isRunning || state.phase.isStopping else { return true }
                    state.stopWaiters.append(continuation)
                    return false
                }
                if isOver { continuation.resume() }
            }
        }
    }
}
