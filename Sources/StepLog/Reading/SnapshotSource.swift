import StepEvents

/// What the snapshots of a store share: where the heads of runs are that their rows don't know.
final class SnapshotSource: Sendable {
    let path: String?
    private let tables: any Tables
    private let heads: SharedHeads
    /// Whether no writer of this process advances `heads`.
    private let isReader: Bool

    init(path: String?, tables: any Tables, heads: SharedHeads, isReader: Bool) {
        self.path = path
        self.tables = tables
        self.heads = heads
        self.isReader = isReader
    }

    /// The head of a run in a snapshot: the later of its row and what is known of stale rows, advanced by a scan.
    func head(of run: RunNumber, _ snapshot: any ReadTables) throws -> Head? {
        guard run != .store else {
            let last = try snapshot.lastLSN()
            return last == .zero ? nil : Head(lsn: last, sequence: 0, first: LSN(1))
        }
        guard let bytes = try snapshot.get(.runs, TableKey.run(run)) else { return nil }
        var head = try RunRow.head(of: bytes, run: run)
        if isReader { try heads.replace { try Self.caughtUp($0, snapshot) } }
        let (stale, through) = heads.lookUp(run)
        let last = try snapshot.lastLSN()
        if let stale, stale.lsn > head.lsn {
            (head.lsn, head.sequence) = (stale.lsn, stale.sequence)
        }
        if through < last {
            // The snapshot is younger than what is known: a few commits of the writer at most.
            try snapshot.scanLog(from: through.next) { lsn, record in
                let header = try snapshot.verifiedHeader(of: record, at: lsn)
                if header.run == run { (head.lsn, head.sequence) = (lsn, header.sequence) }
                return true
            }
        } else if through > last {
            // A row written since the snapshot knows of events that the snapshot's row may lack, and made what was
            // known of them be forgotten.
            head = try walkBack(stale == nil ? nil : head, run, to: last)
        }
        return head
    }

    /// The snapshot is older than what is known: walks back through what was written since, in a snapshot that has it;
    /// from the row there when `head` is nil.
    private func walkBack(_ head: Head?, _ run: RunNumber, to last: LSN) throws -> Head {
        try tables.read { newer in
            guard var head = try head ?? newer.get(.runs, TableKey.run(run)).map({ try RunRow.head(of: $0, run: run) })
            else { throw StoreError(.damaged, "the run's row is gone", run: run, table: .runs) }
            while head.lsn > last {
                guard let record = try newer.get(.log, TableKey.lsn(head.lsn)) else {
                    throw StoreError(.damaged, "the run's last event is missing", lsn: head.lsn, run: run, table: .log)
                }
                let header = try newer.verifiedHeader(of: record, at: head.lsn)
                let previous = header.previous(of: head.lsn)
                guard header.run == run, previous != .zero, header.sequence > 0 else {
                    throw StoreError(
                        .damaged, "the chain of the run's events is broken", lsn: head.lsn, run: run, table: .log)
                }
                head.lsn = previous
                head.sequence = header.sequence - 1
            }
            return head
        }
    }

    /// Another process writes: takes in what it has written since, from its checkpoint if that is nearer.
    private static func caughtUp(_ index: HeadIndex, _ snapshot: any ReadTables) throws -> HeadIndex {
        var index = index
        if try snapshot.lastLSN() <= index.through { return index }
        let checkpoint = try Recovery.checkpoint(snapshot)
        if checkpoint.through > index.through { index = checkpoint }
        _ = try Recovery.advance(&index, snapshot)
        return index
    }
}
