public import StepEvents
import StepLog

/// Reads the events of one run in slices, oldest first.
///
/// A run's events are chained backwards. The first slice walks the chain and keeps the places alone, 8 bytes an event.
public struct HistoryCursor: BlockingCursor {
    private let store: EventStore
    private let id: RunID
    private var translation = EventTranslation()
    /// The places of events not yet read, the oldest last; `nil` before the walk.
    private var places: [LSN]?

    /// The run's last event when reading began; zero before the first slice.
    public private(set) var head = LSN.zero

    /// So many events take about 20 ms.
    private static let walkSlice = 10_000
    private static let slice = 1_000

    init(_ store: EventStore, _ id: RunID) {
        self.store = store
        self.id = id
    }

    /// Reads the run's next events, at most 1,000 and about 8 MiB of them; none at the end. It blocks on the disk.
    ///
    /// - Returns: the events, oldest first; empty at the end.
    /// - Throws: ``RunLookupError`` when there is no such run; `StoreError` when the store is damaged or can't be read.
    public mutating func nextSlice() throws -> [RecordedEvent] {
        var left = try places ?? walk()
        guard let first = left.last else { return [] }
        let wanted = left.suffix(Self.slice).reversed()
        let logged = try store.read { try $0.events(at: wanted) }
        guard !logged.isEmpty else { throw missing(first) }
        left.removeLast(logged.count)
        places = left
        return try logged.map { try translation.translate($0, store) }
    }

    private mutating func walk() throws -> [LSN] {
        var chain = try store.read { snapshot in
            guard let number = try snapshot.number(of: id), let head = try snapshot.head(of: number) else {
                throw RunLookupError(.notFound, id.description)
            }
            return Chain(run: number, next: head.lsn, sequence: head.sequence)
        }
        head = chain.next
        while chain.next != .zero {
            let current = chain
            chain = try store.read { snapshot in
                var chain = current
                for _ in 0..<Self.walkSlice where chain.next != .zero {
                    guard let event = try snapshot.event(at: chain.next) else { throw missing(chain.next) }
                    try chain.take(event, path: store.path)
                }
                return chain
            }
        }
        return chain.places
    }

    private func missing(_ lsn: LSN) -> StoreError {
        StoreError(.damaged, "an event of run \(id) is missing", path: store.path, lsn: lsn, table: .log)
    }
}

/// The back-chain of a run, checked link by link.
private struct Chain {
    let run: RunNumber
    var next: LSN
    var sequence: UInt32
    /// The newest first.
    var places: [LSN] = []

    mutating func take(_ logged: LoggedEvent, path: String?) throws {
        guard logged.event.run == run, logged.event.sequence == sequence,
            (logged.previous == .zero) == (sequence == 0)
        else {
            throw StoreError(
                .damaged, "the chain of the run's events is broken at sequence \(sequence)", path: path,
                lsn: logged.lsn, run: run, table: .log)
        }
        places.append(logged.lsn)
        next = logged.previous
        if sequence > 0 { sequence -= 1 }
    }
}
