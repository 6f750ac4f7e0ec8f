import StepEvents

/// What is found out about a store when it is opened.
enum Recovery {
    /// The end of the log: its last record, which must be a commit record.
    static func position(_ tables: any ReadTables) throws -> (position: LogPosition, commit: CommitRecord)? {
        let last = try tables.lastLSN()
        guard last != .zero, let event = try tables.event(at: last) else { return nil }
        guard case .commitRecord(let commit) = event.event.body else {
            throw StoreError(
                .damaged, "the log ends with \(event.event.kind.name) instead of a commit record", lsn: last,
                run: event.event.run, table: .log)
        }
        return (LogPosition(last: last, chain: commit.chain, time: event.event.time), commit)
    }

    /// Refuses a log whose last transaction is not the database's last: power failed while the database's first page
    /// was written, and an older one took its place.
    static func checkFence(_ commit: CommitRecord, last: LSN, tables: any ReadTables) throws {
        guard commit.transaction == tables.transactionID else {
            throw StoreError(
                .tornCommit,
                "the log ends with transaction \(commit.transaction), the database with"
                    + " \(tables.transactionID)", lsn: last, table: .log)
        }
    }

    static func commitRecord(at lsn: LSN, _ tables: any ReadTables) throws -> CommitRecord? {
        guard case .commitRecord(let record)? = try tables.event(at: lsn)?.event.body else { return nil }
        return record
    }

    /// Whether the log holds nothing but commits of openings.
    static func isUnused(_ tables: any ReadTables) throws -> Bool {
        var isUnused = true
        try tables.scanLog(from: LSN(1)) { _, record in
            isUnused = record.first == EventKind.commitRecord.rawValue
            return isUnused
        }
        return isUnused
    }

    /// The heads of runs whose rows are stale: the checkpoint, advanced by a scan of what was written since.
    static func heads(_ tables: any ReadTables) throws -> HeadIndex {
        var index = try checkpoint(tables)
        _ = try advance(&index, tables)
        try dropFresh(&index, tables)
        return index
    }

    static func checkpoint(_ tables: any ReadTables) throws -> HeadIndex {
        guard let bytes = try tables.get(.meta, TableKey.Meta.checkpoint) else { return HeadIndex() }
        return try HeadIndex.decode(bytes)
    }

    /// Takes in what was written after `index.through`, at most `limit` records, verifying each. Returns whether there
    /// are more.
    static func advance(_ index: inout HeadIndex, _ tables: any ReadTables, limit: Int = .max) throws -> Bool {
        var left = limit
        var goesOn = false
        try tables.scanLog(from: index.through.next) { lsn, record in
            if left == 0 {
                goesOn = true
                return false
            }
            left -= 1
            guard lsn == index.through.next else {
                throw StoreError(.damaged, "the record after \(index.through) is missing", lsn: lsn, table: .log)
            }
            index.through = lsn
            let header = try tables.verifiedHeader(of: record, at: lsn)
            guard header.run != .store else { return true }
            let first = header.sequence == 0 ? lsn : index.stale[header.run]?.first ?? .zero
            index.stale[header.run] = Head(lsn: lsn, sequence: header.sequence, first: first)
            return true
        }
        return goesOn
    }

    /// Forgets runs whose rows know their head, and completes what the scan could not know of the others.
    static func dropFresh(_ index: inout HeadIndex, _ tables: any ReadTables) throws {
        for (run, head) in index.stale {
            let row = try RunRow.head(of: try requireRow(of: run, index, tables), run: run)
            if row.lsn >= head.lsn {
                index.stale[run] = nil
            } else {
                index.stale[run]?.first = row.first
            }
        }
    }

    /// The row of a run that has events.
    @discardableResult
    static func requireRow(of run: RunNumber, _ index: HeadIndex, _ tables: any ReadTables) throws -> [UInt8] {
        guard let bytes = try tables.get(.runs, TableKey.run(run)) else {
            throw StoreError(
                .damaged, "the run has events but no row", lsn: index.stale[run]?.lsn, run: run, table: .runs)
        }
        return bytes
    }

    /// The head of a run, given its row and what is known of stale rows.
    static func head(of run: RunNumber, row: [UInt8], _ index: HeadIndex) throws -> Head {
        var head = try RunRow.head(of: row, run: run)
        if let stale = index.stale[run], stale.lsn > head.lsn {
            (head.lsn, head.sequence) = (stale.lsn, stale.sequence)
        }
        return head
    }
}
