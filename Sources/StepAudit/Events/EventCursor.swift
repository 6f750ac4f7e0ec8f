public import StepEvents
import StepLog

/// Reads the log in slices, in LSN order.
public struct EventCursor: BlockingCursor {
    private let store: EventStore
    private let includingCommits: Bool
    private var translation = EventTranslation()

    /// The last record that was read, or looked at and left out.
    public private(set) var position: LSN

    /// So many events take a few milliseconds.
    private static let slice = 1_000

    init(_ store: EventStore, after lsn: LSN, includingCommits: Bool) {
        self.store = store
        self.includingCommits = includingCommits
        position = lsn
    }

    /// Reads the next events, at most 1,000 and about 8 MiB of them. At the end there are none; asked again, it reads
    /// what was written since. It blocks on the disk.
    ///
    /// - Returns: the events in LSN order; empty at the end of the log.
    /// - Throws: `StoreError` when the store is damaged or can't be read.
    public mutating func nextSlice() throws -> [RecordedEvent] {
        while true {
            let position = position
            // Commit records are read in any case, so that none is passed twice by a reader that waits at the end.
            let logged = try store.read { try $0.events(after: position, limit: Self.slice, includingCommits: true) }
            guard let last = logged.last else { return [] }
            self.position = last.lsn
            var events: [RecordedEvent] = []
            events.reserveCapacity(logged.count)
            for event in logged where includingCommits || event.event.kind != .commitRecord {
                events.append(try translation.translate(event, store))
            }
            if !events.isEmpty { return events }
        }
    }
}
