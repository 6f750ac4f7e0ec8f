package import StepEvents
import StepLocks
import Synchronization

/// The log of a store and the tables derived from it, with one writer.
///
/// Commands go in by ``submit(_:)`` from any thread; the writer commits many at once and tells their observers when
/// they are durable. Reading blocks on the disk: keep it off the cooperative pool.
package final class EventStore: Sendable {
    /// The store's directory; `nil` in memory.
    package let path: String?
    /// What the operator should know of the store as it was found: a loss that was accepted, a file system or a library
    /// that promises less than others. For the log, once.
    package let warnings: [String]
    let tables: any Tables
    private let source: SnapshotSource
    /// `nil` in a store opened for reading.
    private let writer: LogWriter?
    private let lock: EngineLock?
    private let mode: StoreOptions.WriterMode
    private let ending: Ending

    init(_ opened: OpenedStore, mode: StoreOptions.WriterMode) throws(StoreError) {
        path = opened.path
        tables = opened.tables
        warnings = opened.warnings
        writer = opened.writer
        lock = opened.lock
        source = SnapshotSource(
            path: opened.path, tables: opened.tables, heads: opened.heads, isReader: opened.writer == nil)
        self.mode = mode
        ending = Ending()
        guard let writer = opened.writer, mode == .thread else { return }
        let ending = ending
        do {
            try WriterThread.start {
                ending.begin(thread: WriterThread.current)
                writer.run()
                ending.end()
            }
        } catch {
            // Nobody else will, and closing waits for it.
            writer.finish()
            ending.end()
            throw error
        }
    }

    deinit { close() }

    // MARK: Writing

    /// Queues a command; queue order is LSN order. Never waits for the disk.
    ///
    /// - Throws: `invariantBroken` for an event too large to be read back; `busy` beyond the bounds of the queue; `storageFull`, except for completions; `poisoned`, `fenced`
    ///   or `closed` once the store has stopped; `readOnly`.
    package func submit(_ command: Command) throws(StoreError) {
        guard let writer else { throw StoreError(.readOnly, "the store was opened for reading", path: path) }
        if let entry = command.batch.firstTooLarge {
            throw StoreError(
                .invariantBroken,
                "\(entry.kind.name) has more than \(Limits.recordBytes) bytes, which could not be read"
                    + " back", path: path, run: entry.run)
        }
        do { try writer.queue.submit(command) } catch { throw error.at(path: path) }
    }

    /// Commits what is queued, as one transaction. Only with `WriterMode.manual`, from one thread at a time.
    ///
    /// - Returns: whether there was anything to do.
    @discardableResult
    package func commitPending() -> Bool {
        guard mode == .manual, let writer else { return false }
        return writer.step()
    }

    /// Called on the writer's thread after the observers of one commit were. Set it before the first command.
    package var didCommit: (@Sendable () -> Void)? {
        get { writer?.hooks.withLock { $0.didCommit } }
        set { writer?.hooks.withLock { $0.didCommit = newValue } }
    }

    /// Says whether runs that the last commit resumed still have jobs: the writer then waits for their events, at most
    /// a quarter of the last commit's duration. It must answer false where a single run was resumed, which would only
    /// wait for itself.
    package var busyRuns: (@Sendable () -> Bool)? {
        get { writer?.hooks.withLock { $0.busyRuns } }
        set { writer?.hooks.withLock { $0.busyRuns = newValue } }
    }

    /// Called on the writer's thread when the store fails, fills up or heals.
    package var onHealthChange: HealthObserver? {
        get { writer?.hooks.withLock { $0.health } }
        set { writer?.hooks.withLock { $0.health = newValue } }
    }

    package var health: StoreHealth { writer?.counters.withLock { $0.health } ?? .healthy }

    /// How many commands wait for the writer.
    package var queuedCommands: Int { writer?.queue.count ?? 0 }

    /// Commits, events and nanoseconds spent in commits since the store was opened.
    package var activity: (commits: UInt64, events: UInt64, commitNanoseconds: UInt64) {
        writer?.counters.withLock { ($0.commits, $0.events, $0.commitNanoseconds) } ?? (0, 0, 0)
    }

    /// Sizes of what the store is kept in.
    package var info: TablesInfo {
        get throws(StoreError) { try asStoreError(path) { try tables.info } }
    }

    /// Writes down where this engine listens, for other processes that find the store in use.
    package func note(socket: String) { lock?.note(socket: socket) }

    // MARK: Reading

    /// Lends a snapshot of the last commit. It blocks on the disk and must be short (at most about a second).
    package func read<T>(_ body: (borrowing StoreSnapshot) throws -> T) throws -> T {
        // Errors of `body` pass as they are, so only what the tables themselves throw is given another form.
        do {
            return try tables.read { tables in try body(StoreSnapshot(tables: tables, source: source)) }
        } catch let error as TablesError {
            throw StoreError(reading: error, path: path)
        }
    }

    /// The events of a run, oldest first, each verified: checksum, run, sequence without gaps, back-chain.
    ///
    /// - Returns: nothing when there is no such run.
    package func history(of run: RunNumber) throws -> [LoggedEvent] {
        var events: [LoggedEvent] = []
        try visitBackwards(run) { event in
            if events.isEmpty { events.reserveCapacity(Int(event.event.sequence) + 1) }
            events.append(event)
            return true
        }
        return events.reversed()
    }

    /// Visits the events of a run, newest first, each verified as by ``history(of:)``, until `visit` returns false.
    package func visitBackwards(_ run: RunNumber, _ visit: (LoggedEvent) throws -> Bool) throws {
        var walk = HistoryWalk(run: run, path: path)
        // In slices, since a snapshot must be short and records never change.
        while try read({ try walk.advance($0, visit) }) {}
    }

    /// Whether the writer keeps commands for which there is no room.
    package var waitsForRoom: Bool { writer?.counters.withLock { $0.waitsForRoom } ?? false }

    // MARK: Ending

    /// Commits what is queued, writes the witness, and lets another engine have the store. Later calls do nothing.
    package func close() {
        guard let writer else { return tables.close() }
        writer.queue.beginClosing()
        switch mode {
        case .thread: ending.wait()
        case .manual: if ending.beginOnce() { writer.finish() }
        }
    }
}

extension EventBatch {
    /// The first event whose record is larger than any reader takes.
    fileprivate var firstTooLarge: Entry? {
        guard bytes.count > Limits.recordBytes else { return nil }
        var start = 0
        for entry in entries {
            if entry.end - start > Limits.recordBytes { return entry }
            start = entry.end
        }
        return nil
    }
}

/// The end of a writer's thread, for whoever closes the store.
///
/// `@unchecked Sendable`: `monitor` guards the other properties.
private final class Ending: @unchecked Sendable {
    private let monitor = Monitor()
    private var thread: UInt?
    private var isOver = false

    func begin(thread: UInt) { monitor.withLock { self.thread = thread } }

    func end() {
        monitor.withLock {
            isOver = true
            monitor.broadcast()
        }
    }

    func beginOnce() -> Bool {
        monitor.withLock {
            defer { isOver = true }
            return !isOver
        }
    }

    /// Waits for the thread's end; on that very thread (an observer let go of the store) it ends by itself.
    func wait() {
        monitor.withLock {
            while !isOver, thread != WriterThread.current { monitor.wait() }
        }
    }
}
