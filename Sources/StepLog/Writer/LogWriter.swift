import StepEvents
import StepLocks

/// The one writer of a store: takes what is queued, commits it in one transaction, tells the observers.
///
/// `@unchecked Sendable`: its unguarded properties belong to the thread that runs ``run()``, or, with
/// `WriterMode.manual`, to the caller of ``step()``, of which there is one at a time.
final class LogWriter: @unchecked Sendable {
    struct Hooks: Sendable {
        var didCommit: (@Sendable () -> Void)?
        var busyRuns: (@Sendable () -> Bool)?
        var health: HealthObserver?
    }

    let queue = CommandQueue()
    let hooks = Locked(Hooks())
    let counters = Locked(WriterCounters())
    private let tables: any Tables
    private let builder: CommitBuilder
    private let options: StoreOptions
    private let path: String?
    private let guards: WriterGuards

    private var batch: [Command] = []
    private var policy = FailurePolicy()
    private var isFinal = false
    /// When commands that found no room are tried again.
    private var retryAt: UInt64?
    private var lastCommitNanoseconds: UInt64 = 0
    private var lastWork: UInt64 = 0
    private var checkpoint: CheckpointTimer

    /// How long the writer looks for work before it sleeps, and how long ago the last work may be for that. Longer
    /// than a step of a running workflow takes to come back, short enough that an idle store uses no processor time.
    private static let spin: UInt64 = 200_000
    private static let spinAfterWork: UInt64 = 1_000_000
    /// A bound on the rounds, for clocks that stand still.
    private static let spinRounds = 2_000
    /// How often it yields for busy runs before it rests in between, which leaves them the processor.
    private static let yieldRounds = 8
    /// How often commands that found no room are tried again.
    static let retryInterval: UInt64 = 2_000_000_000

    init(tables: any Tables, builder: CommitBuilder, guards: WriterGuards, options: StoreOptions, path: String?) {
        self.tables = tables
        self.builder = builder
        self.guards = guards
        self.options = options
        self.path = path
        checkpoint = CheckpointTimer(uptime: options.clock.uptime)
    }

    var position: LogPosition { counters.withLock { $0.position ?? builder.position } }

    /// The thread's body: returns when the queue was closed and all that could be written is.
    func run() {
        while !queue.closing {
            if isFinal || retryAt != nil {
                queue.sleep(options.clock, until: retryAt, workIsEnough: false)
            } else {
                awaitWork()
            }
            if !queue.closing { _ = step() }
        }
        finish()
    }

    /// Commits what is queued, once. Returns whether it did anything.
    func step() -> Bool {
        if isFinal { return false }
        if let retryAt, options.clock.uptime < retryAt, !queue.closing { return false }
        let waitedForRoom = retryAt != nil
        retryAt = nil
        if batch.isEmpty {
            awaitBusyRuns()
            queue.take(into: &batch)
        }
        guard !batch.isEmpty else {
            guards.idle(self, position: position)
            return false
        }
        commit(batch.count)
        if waitedForRoom, retryAt == nil, !isFinal { guards.healed(self) }
        return true
    }

    /// What is left to do when nothing more will be committed.
    func finish() {
        while step() {
            // Room was looked for once more; there is no later.
            if retryAt != nil { break }
        }
        let error =
            isFinal
            ? StoreError(.poisoned, "an earlier failure made the store stop", path: path)
            : StoreError(.storageFull, "the store was closed before there was room", path: path)
        fail(batch, error)
        batch = []
        fail(queue.takeAll(), error)
        guards.close(position: position, isClean: !isFinal)
    }

    // MARK: One commit

    private func commit(_ count: Int) {
        var count = count
        while true {
            do {
                try attempt(count)
                policy.succeeded()
                acknowledge(count)
                return
            } catch {
                switch policy.action(for: error) {
                case .growAndRetry:
                    do { try tables.makeRoom(for: batch[..<count].reduce(0) { $0 + $1.bytes }) } catch {
                        return carryOut(policy.growthFailed(error))
                    }
                case .halveAndRetry: count = max(1, count / 2)
                case let action: return carryOut(action)
                }
            }
        }
    }

    /// Writes one transaction of the first `count` commands.
    private func attempt(_ count: Int) throws(WriteFailure) {
        let commands = batch[..<count]
        if commands.allSatisfy(\.isBarrier) {
            builder.acknowledgeBarriers(count)
            return
        }
        let began = options.clock.uptime
        let transaction: any WriteTables
        do {
            try tables.reserve(bytes: Self.mostBytes(commands), isTight: guards.isTight(uptime: began))
            transaction = try tables.beginWrite()
        } catch {
            throw .building(error)
        }
        let isCheckpoint = checkpoint.isDue(uptime: began)
        var committing = false
        do {
            let position = try builder.write(
                commands, to: transaction, now: options.clock.now, checkpoint: isCheckpoint)
            committing = true
            try transaction.commit()
            builder.publish(position)
        } catch {
            transaction.rollBack()
            throw WriteFailure(error, committing: committing)
        }
        let ended = options.clock.uptime
        lastCommitNanoseconds = ended &- began
        checkpoint.committed(events: builder.events, withCheckpoint: isCheckpoint, uptime: ended)
        counters.withLock { $0.committed(builder.position, events: builder.events, nanoseconds: lastCommitNanoseconds) }
    }

    /// What a transaction may add to the database: its records twice over, for what pages leave unused, two pages for
    /// each change of a table, and those that every transaction replaces.
    private static func mostBytes(_ commands: ArraySlice<Command>) -> Int {
        let page = 4_096
        return commands.reduce(24 * page) { $0 + 2 * $1.bytes + 2 * page * $1.changes.count }
    }

    private func acknowledge(_ count: Int) {
        for index in 0..<count {
            batch[index].observer?.acknowledged(.success(builder.ends[index]), token: batch[index].token)
        }
        if count == batch.count {
            batch.removeAll(keepingCapacity: true)
        } else {
            batch.removeFirst(count)
        }
        hooks.withLock { $0.didCommit }?()
        lastWork = options.clock.uptime
        guards.committed(self, position: builder.position, uptime: lastWork)
    }

    private func carryOut(_ action: FailurePolicy.Action) {
        switch action {
        case .waitForRoom(let error):
            policy.succeeded()
            retryAt = options.clock.uptime &+ Self.retryInterval
            counters.withLock { $0.waitsForRoom = true }
            guards.full(self, error.at(path: path))
        case .fence(let error): stop(error.at(path: path), health: { .fenced($0) }, unknown: false)
        case .poison(let error, let unknown): stop(error.at(path: path), health: { .poisoned($0) }, unknown: unknown)
        case .growAndRetry, .halveAndRetry: break
        }
    }

    private func stop(_ error: StoreError, health: (StoreError) -> StoreHealth, unknown: Bool) {
        isFinal = true
        let later =
            error.code == .fenced
            ? error : StoreError(.poisoned, "an earlier failure made the store stop: \(error.detail)", path: path)
        queue.refuse { $0.all = later }
        let inFlight = batch
        batch = []
        fail(inFlight, error)
        fail(queue.takeAll(), later)
        report(health(error))
    }

    private func fail(_ commands: [Command], _ error: StoreError) {
        for command in commands { command.observer?.acknowledged(.failure(error), token: command.token) }
    }

    func report(_ health: StoreHealth) {
        let changed = counters.withLock { counters in
            defer { counters.health = health }
            return counters.health != health
        }
        if changed { hooks.withLock { $0.health }?(health) }
    }

    // MARK: Waiting

    private func awaitWork() {
        guard batch.isEmpty, queue.isEmpty else { return }
        let began = options.clock.uptime
        if began &- lastWork < Self.spinAfterWork {
            for _ in 0..<Self.spinRounds {
                if !queue.isEmpty { return }
                WriterThread.yield()
                if options.clock.uptime &- began > Self.spin { break }
            }
        }
        queue.sleep(options.clock, until: guards.nextIdleWork)
    }

    /// Lets runs that the last commit resumed hand over their next events, so that they share the next commit.
    private func awaitBusyRuns() {
        guard lastCommitNanoseconds > 0, let busy = hooks.withLock({ $0.busyRuns }), busy() else { return }
        let began = options.clock.uptime
        for round in 0..<Self.spinRounds {
            round < Self.yieldRounds ? WriterThread.yield() : WriterThread.rest()
            if !busy() || options.clock.uptime &- began > lastCommitNanoseconds / 4 { return }
        }
    }
}

/// What the writer tells others.
struct WriterCounters: Sendable {
    var position: LogPosition?
    var health = StoreHealth.healthy
    /// Commands are kept for which there is no room.
    var waitsForRoom = false
    var commits: UInt64 = 0
    var events: UInt64 = 0
    var commitNanoseconds: UInt64 = 0

    mutating func committed(_ position: LogPosition, events: Int, nanoseconds: UInt64) {
        self.position = position
        waitsForRoom = false
        commits += 1
        self.events += UInt64(events)
        commitNanoseconds += nanoseconds
    }
}

/// Knows when the next checkpoint is due.
struct CheckpointTimer {
    private var events: UInt64 = 0
    private var last: UInt64

    init(uptime: UInt64) { last = uptime }

    func isDue(uptime: UInt64) -> Bool {
        events >= Limits.checkpointEvents
            || uptime &- last >= UInt64(Limits.checkpointInterval.clampedNanoseconds)
    }

    mutating func committed(events count: Int, withCheckpoint: Bool, uptime: UInt64) {
        guard withCheckpoint else {
            events += UInt64(count)
            return
        }
        events = 0
        last = uptime
    }
}
