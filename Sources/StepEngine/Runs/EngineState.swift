import DequeModule
import StepCore
import StepEvents
import StepLog
import StepReplay

/// What the engine knows of its runs, guarded by one lock.
struct EngineState {
    enum Phase {
        /// Open: runs can be started, none is executed.
        case idle
        case running
        case stopping
        case closed
        case failed(any Error)

        var isRunning: Bool { if case .running = self { true } else { false } }
        var isStopping: Bool { if case .stopping = self { true } else { false } }
    }

    struct StartKey: Hashable {
        let workflow: String
        let key: String
    }

    /// A start that is accepted but not durable yet, or became so while someone was looking its key up in the store.
    struct PendingStart {
        let id: RunID
        let input: Payload
        var waiters: [CheckedContinuation<RunID, any Error>] = []
        var isDurable = false
    }

    /// What happened to a run that is about to be taken into memory.
    struct Admission {
        /// Someone wanted it resident.
        var isWanted = false
        /// Its start is durable already: the log was faster.
        var isDurable = false
    }

    var phase = Phase.idle
    /// A shutdown was asked for before the engine ran.
    var stopsAtOnce = false
    var definitions: [String: WorkflowDefinition] = [:]
    var nextRun: UInt64
    var residents: [RunNumber: Resident] = [:]
    /// Runs that want to be resident: those that something came for, new ones, and those that recovery found; each
    /// kind in the order in which they came.
    private var woken: Deque<RunNumber> = []
    private var ready: Deque<RunNumber> = []
    private var backlog: Deque<RunNumber> = []
    /// Those at rest among the runs that recovery found. They are not `queued`: something may come for them first.
    private var resting: Deque<RunNumber> = []
    private var queued: Set<RunNumber> = []
    private var kindAtTurn = 0
    /// Runs whose history is being read.
    var loading: Set<RunNumber> = []
    /// Runs that were accepted a moment ago by a thread that is about to take them into memory. Nobody else may read
    /// them from the log.
    var admitting: [RunNumber: Admission] = [:]
    /// What came for runs that are not resident yet.
    var stash: [RunNumber: [InstanceInput]] = [:]
    /// Runs whose workflow, or version of it, is not registered here.
    var stranded: [String: Set<RunNumber>] = [:]
    var warnedOf: Set<String> = []
    /// Held runs wait for another start of the engine.
    var held: Set<RunNumber> = []
    var waiting = WaitingRuns()
    /// Whether an alarm is set for the run that waits longest.
    var parkAlarmIsSet = false
    var trim = MemoryTrim()
    var counts = EngineCounts()
    /// Runs that are not executed and whose cancellation is being recorded; they are among `loading`.
    var recording: Set<RunNumber> = []
    /// Runs that a shutdown let go before what they had handed to the log was durable: the store had no room. Nobody
    /// may read their histories before it is.
    var letGo: Set<RunNumber> = []
    /// The time that a shutdown gives is over.
    var graceIsOver = false
    /// Who waits for everything that was submitted to be durable.
    var barriers: Set<UInt64> = []
    var pendingStarts: [StartKey: PendingStart] = [:]
    /// How many starts are looking a key up in the store.
    var keyReaders: [StartKey: Int] = [:]
    var turns = TurnQueue()
    /// When runs that are not resident are to be woken, in uptime, where the wall clock was set since and so their
    /// rows say something else.
    var exactWakes: [RunNumber: UInt64] = [:]
    /// Timers of runs that are not resident are set up to here.
    var windowEnd = Timestamp(nanoseconds: 0)
    var stopWaiters: [CheckedContinuation<Void, Never>] = []

    init(nextRun: UInt64) { self.nextRun = nextRun }

    mutating func enqueue(_ run: RunNumber, woken isWoken: Bool = false) {
        if admitting[run] != nil {
            admitting[run]?.isWanted = true
            return
        }
        guard canBeQueued(run) else { return }
        if isWoken { woken.append(run) } else { ready.append(run) }
    }

    /// Queues a run that is open. `row` says whether it has something to do; without it that is to be found out.
    mutating func enqueueRecovered(_ run: RunNumber, _ row: RunRow? = nil) {
        if let row, row.isAtRest, definitions[row.workflow]?.options.parking != .never {
            if definitions[row.workflow]?.accepts.contains(row.version) == true {
                resting.append(run)
            } else {
                stranded[row.workflow, default: []].insert(run)
            }
            return
        }
        guard admitting[run] == nil, canBeQueued(run) else { return }
        backlog.append(run)
    }

    private mutating func canBeQueued(_ run: RunNumber) -> Bool {
        residents[run] == nil && !loading.contains(run) && !letGo.contains(run) && queued.insert(run).inserted
    }

    mutating func clearQueues() {
        woken = []
        ready = []
        backlog = []
        resting = []
        queued = []
    }

    /// Whether a run that is not resident is to be woken when something is due: it is not about to be read into memory
    /// anyway, and there is code that could go on with it.
    func needsWake(_ run: RunNumber) -> Bool {
        residents[run] == nil && !queued.contains(run) && !loading.contains(run) && admitting[run] == nil
            && !held.contains(run) && !stranded.values.contains { $0.contains(run) }
    }

    /// How many histories are read at once. The threads that read also drain the runs: with all of thousands of open
    /// runs queued for reading at once, the first step of the first run would end only after the last run was read,
    /// and a process that keeps dying during that time would get nowhere.
    static let loadsAtOnce = 8

    /// The next run to be read into memory, if there is one and there is room.
    mutating func next(limit: Int) -> RunNumber? {
        guard phase.isRunning, loading.count < Self.loadsAtOnce, residents.count + loading.count < limit else {
            return nil
        }
        guard let run = popQueued() ?? popResting(limit: limit) else { return nil }
        queued.remove(run)
        exactWakes[run] = nil
        loading.insert(run)
        return run
    }

    // MARK: Starts with a key

    /// A start is durable or has failed; returns who waits for it. Those who are reading the store may not have seen it
    /// there, so it stays for them.
    mutating func endPendingStart(_ key: StartKey, isDurable: Bool) -> [CheckedContinuation<RunID, any Error>] {
        guard isDurable, keyReaders[key] != nil else { return pendingStarts.removeValue(forKey: key)?.waiters ?? [] }
        pendingStarts[key]?.isDurable = true
        defer { pendingStarts[key]?.waiters = [] }
        return pendingStarts[key]?.waiters ?? []
    }

    /// A start has looked its key up in the store and done what follows.
    mutating func hasRead(_ key: StartKey) {
        guard let readers = keyReaders[key], readers <= 1 else { return keyReaders[key, default: 1] -= 1 }
        keyReaders[key] = nil
        if pendingStarts[key]?.isDurable == true { pendingStarts[key] = nil }
    }

    // MARK: Room

    /// The kinds take turns, so that none keeps the others waiting for ever.
    private mutating func popQueued() -> RunNumber? {
        for _ in 0..<3 {
            defer { kindAtTurn = (kindAtTurn + 1) % 3 }
            let run =
                switch kindAtTurn {
                case 0: woken.popFirst()
                case 1: ready.popFirst()
                default: backlog.popFirst()
                }
            if let run { return run }
        }
        return nil
    }

    /// A run at rest, if nothing else wants to be in memory.
    private mutating func popResting(limit: Int) -> RunNumber? {
        while roomForResting(limit: limit) > 0, let run = resting.popFirst() {
            if residents[run] == nil, !loading.contains(run), !letGo.contains(run), admitting[run] == nil,
                !held.contains(run)
            {
                return run
            }
        }
        return nil
    }

    /// How many more runs at rest may be in memory beside those that are there.
    func roomForResting(limit: Int) -> Int { max(1, limit / 2) - residents.count - loading.count }

    /// Whether there are runs at rest that were not read yet.
    var hasResting: Bool { !resting.isEmpty }

    /// How many runs want to be resident.
    var queuedCount: Int { queued.count }
    var wantsRoom: Bool { !queued.isEmpty }
    var isQuiet: Bool { residents.isEmpty && loading.isEmpty }
    /// Whether nothing is executed or read any more, and what is left waits only for its events to become durable.
    var waitsOnlyForLog: Bool {
        loading.count == recording.count && residents.values.allSatisfy(\.hasEnded)
    }
}
