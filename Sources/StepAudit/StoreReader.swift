public import StepEvents
public import StepLog

/// Reads a store: its runs, their histories, its log.
///
/// ```swift
/// let reader = try StoreReader(path: "/var/lib/shop")
/// for try await run in reader.runs(where: RunFilter(status: .failed)) { print(run.run, run.error?.message ?? "") }
/// ```
///
/// It only reads, and works from another process beside a running engine: each slice is read from the engine's last
/// commit. One process opens a store once: a second reader of the same path throws `StoreError` with code `inUse`.
public final class StoreReader: Sendable {
    /// The store's directory; `nil` for a store in memory.
    public let path: String?
    let store: EventStore
    private let ownsStore: Bool

    /// Opens the store in a directory for reading. It blocks on the disk for a few milliseconds.
    ///
    /// - Parameter path: the store's directory.
    /// - Throws: `StoreError`: `notFound`, `foreign`, `newerFormat`, `olderFormat`, `damaged`, `tornCommit`,
    ///   `unusable` (permissions, file system), `inUse` where this very process has it open.
    public convenience init(path: String) throws(StoreError) { try self.init(path: path, checksEnd: true) }

    /// With `checksEnd` a store whose last commit is torn is refused; otherwise ``verify()`` reports it.
    package init(path: String, checksEnd: Bool) throws(StoreError) {
        self.path = path
        ownsStore = true
        store = try EventStore.openReadOnly(directory: path, checksEnd: checksEnd)
    }

    /// Reads a store that this process has open.
    package init(_ store: EventStore) {
        path = store.path
        ownsStore = false
        self.store = store
    }

    /// Runs, the newest first.
    ///
    /// - Parameter filter: which runs; all, unless it says otherwise.
    /// - Returns: the runs, to be iterated with `for try await` or by a cursor.
    public func runs(where filter: RunFilter = RunFilter()) -> StoredRows<RunCursor> {
        StoredRows(RunCursor(store, filter))
    }

    /// Events of the whole log after a place in it, in LSN order.
    ///
    /// The sequence ends at the end of the log. A cursor can then be asked again and goes on with what was written
    /// since: that is how a live store is tailed.
    ///
    /// - Parameters:
    ///   - lsn: the place after which events are wanted; zero for all.
    ///   - includingCommits: whether commit records are wanted too.
    /// - Returns: the events, to be iterated with `for try await` or by a cursor.
    public func events(after lsn: LSN = .zero, includingCommits: Bool = false) -> StoredRows<EventCursor> {
        StoredRows(EventCursor(store, after: lsn, includingCommits: includingCommits))
    }

    /// Closes the store; reading then throws `StoreError` with code `closed`. Later calls do nothing.
    public func close() { if ownsStore { store.close() } }
}
