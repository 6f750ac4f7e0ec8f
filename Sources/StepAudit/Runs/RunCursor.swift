import StepEvents
import StepLog

/// Reads runs in slices, the newest run first.
public struct RunCursor: BlockingCursor {
    private let store: EventStore
    private let filter: RunFilter
    private var before: RunNumber?
    private var isAtEnd = false

    /// So many rows take a few milliseconds.
    private static let slice = 1_000

    init(_ store: EventStore, _ filter: RunFilter) {
        self.store = store
        self.filter = filter
    }

    /// Reads the next runs that match, at most 1,000; none at the end. It blocks on the disk.
    ///
    /// - Returns: the runs, newest first; empty at the end.
    /// - Throws: `StoreError` when the store is damaged or can't be read.
    public mutating func nextSlice() throws -> [RecordedRun] {
        while !isAtEnd {
            let before = before
            let rows = try store.read { try $0.runs(before: before, limit: Self.slice) }
            self.before = rows.last?.number
            isAtEnd = rows.count < Self.slice
            let runs = rows.map { RecordedRun($0) }.filter(filter.matches)
            if !runs.isEmpty { return runs }
        }
        return []
    }
}
