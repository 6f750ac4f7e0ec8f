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

    var phase = Phase.idle
    /// A shutdown was asked for before the engine ran.
    var stopsAtOnce = false
    var definitions: [String: WorkflowDefinition] = [:]
    var nextRun: UInt64
    var residents: [RunNumber: Resident] = [:]
    /// Runs that want to be resident: woken ones and new ones, then those that recovery found.
    var ready: Deque<RunNumber> = []
    var backlog: Deque<RunNumber> = []
    var queued: Set<RunNumber> = []
    /// Runs whose history is being read.
    var loading: Set<RunNumber> = []
    /// Runs that were accepted a moment ago by a thread that is about to take them into memory, and whether someone
    /// wanted them resident meanwhile. Nobody else may read them from the log.
    var admitting: [RunNumber: Bool] = [:]
    /// What came for runs that are not resident yet.
    var stash: [RunNumber: [InstanceInput]] = [:]
    /// Runs whose workflow, or version of it, is not registered here.
    var stranded: [String: Set<RunNumber>] = [:]
    var warnedOf: Set<String> = []
    /// Held runs wait for another start of the engine.
    var held: Set<RunNumber> = []
    /// Residents that do nothing but wait, and since when.
    var waiting: [RunNumber: Timestamp] = [:]
    var parking: Set<RunNumber> = []
    var pendingStarts: [StartKey: PendingStart] = [:]
    /// How many starts are looking a key up in the store.
    var keyReaders: [StartKey: Int] = [:]
    var turns = TurnQueue()
    /// Timers of runs that are not resident are set up to here.
    var windowEnd = Timestamp(nanoseconds: 0)
    var stopWaiters: [CheckedContinuation<Void, Never>] = []

    init(nextRun: UInt64) { self.nextRun = nextRun }

    mutating func enqueue(_ run: RunNumber, first: Bool = false) {
        if admitting[run] != nil {
            admitting[run] = true
            return
        }
        guard residents[run] == nil, !loading.contains(run), queued.insert(run).inserted else { return }
        if first { ready.prepend(run) } else { ready.append(run) }
    }

    mutating func enqueueRecovered(_ run: RunNumber) {
        guard admitting[run] == nil, residents[run] == nil, !loading.contains(run), queued.insert(run).inserted
        else { return }
        backlog.append(run)
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
        guard let run = ready.popFirst() ?? backlog.popFirst() else { return nil }
        queued.remove(run)
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

    var wantsRoom: Bool { !ready.isEmpty || !backlog.isEmpty }
    var isQuiet: Bool { residents.isEmpty && loading.isEmpty }
}
