import StepEvents

/// Walks back through the events of one run, from its head to its first.
struct HistoryWalk {
    private let run: RunNumber
    private let path: String?
    /// The next record to read; `nil` before the head is known.
    private var next: LSN?
    private var sequence: UInt32 = 0

    /// So many events take about 20 ms.
    private static let slice = 10_000

    init(run: RunNumber, path: String?) {
        self.run = run
        self.path = path
    }

    /// Visits a slice, the newest event first, until `visit` returns false. Returns whether there is more.
    mutating func advance(
        _ snapshot: borrowing StoreSnapshot, _ visit: (LoggedEvent) throws -> Bool
    ) throws -> Bool {
        if next == nil {
            guard run != .store, let head = try snapshot.head(of: run) else { return false }
            next = head.lsn
            sequence = head.sequence
        }
        for _ in 0..<Self.slice {
            guard let lsn = next, lsn != .zero else { return false }
            guard let event = try snapshot.event(at: lsn) else { throw broken("an event of the run is missing", lsn) }
            guard event.event.run == run else { throw broken("an event of run \(event.event.run) stands there", lsn) }
            guard event.event.sequence == sequence else {
                throw broken("its sequence is \(event.event.sequence) instead of \(sequence)", lsn)
            }
            guard (event.previous == .zero) == (sequence == 0) else {
                throw broken("its sequence is \(sequence), but its previous event is \(event.previous)", lsn)
            }
            next = event.previous
            if try !visit(event) { return false }
            if sequence > 0 { sequence -= 1 }
        }
        return next != .zero
    }

    private func broken(_ what: String, _ lsn: LSN) -> StoreError {
        StoreError(.damaged, what, path: path, lsn: lsn, run: run, table: .log)
    }
}
