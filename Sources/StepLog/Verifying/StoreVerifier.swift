import StepEvents

/// Checks the log and then the tables against it, in slices, each in a snapshot of its own: pages that a reader sees
/// are not reused, so beside a live engine no snapshot may last.
///
/// Records never change, so slices of the log may come from any snapshots. A slice of a table is compared in a snapshot
/// whose whole log was taken in before, so the two must agree, whatever the engine has written since the last slice.
struct StoreVerifier {
    typealias Read = (_ body: (any ReadTables) throws -> Void) throws -> Void

    private let read: Read
    /// Rows and records in a snapshot.
    private let slice: Int
    private var log: LogVerifier

    /// So often a check may find the log too far ahead to take the rest in at once. It gains on an engine that writes
    /// slower than it reads; behind any other it would never end.
    private static let patience = 100

    init(slice: Int, read: @escaping Read) throws {
        self.slice = slice
        self.read = read
        log = try LogVerifier()
    }

    mutating func verify() throws -> Verification {
        try readLog()
        for table in TableName.derived { try compare(table) }
        try checkChunks()
        if !log.hasDamage, !log.hasBrokenRuns { try checkHeads() }
        try inSlices(.runs) { log, snapshot in
            try log.finish(snapshot)
            return false
        }
        return log.verification
    }

    // MARK: The log

    private mutating func readLog() throws {
        var goesOn = true
        while goesOn {
            let why: String
            do {
                try read { goesOn = try log.advance($0, limit: slice) }
                continue
            } catch is SnapshotSpent {
                continue
            } catch let error as TablesError where error.isUnreadable {
                why = error.detail
            } catch let error as StoreError where error.code == .damaged {
                why = error.detail
            }
            goesOn = log.skip(before: firstReadable(after: log.lastLSN.next), why)
        }
    }

    /// Where the log can be read again after a place where it can't; `nil` when there is no such place.
    ///
    /// It looks in strides that double, and then for the beginning of what it has found.
    private func firstReadable(after unreadable: LSN) -> LSN? {
        // LSNs are dense, and the count stands beside the root.
        var count = 0
        guard (try? read { count = try $0.count(.log) }) != nil else { return nil }
        var (before, found): (UInt64, LSN?) = (unreadable.value, nil)
        var stride: UInt64 = 1
        while found == nil {
            let (next, overflow) = unreadable.value.addingReportingOverflow(stride)
            guard !overflow, next <= UInt64(count) else { return nil }
            found = record(atOrAfter: LSN(next))
            if found == nil { before = next }
            stride &*= 2
        }
        while let end = found, before + 1 < end.value {
            let middle = before + (end.value - before) / 2
            guard let earlier = record(atOrAfter: LSN(middle)), earlier < end else {
                before = middle
                continue
            }
            found = earlier
        }
        return found
    }

    private func record(atOrAfter start: LSN) -> LSN? {
        var found: LSN?
        try? read { snapshot in
            try snapshot.scanLog(from: start) { lsn, _ in
                if lsn >= start { found = lsn }
                return false
            }
        }
        return found
    }

    // MARK: The tables

    /// Lends snapshots whose log was taken in up to its end, until `body` says that it is through with the table.
    private mutating func inSlices(
        _ table: TableName, _ body: (inout LogVerifier, any ReadTables) throws -> Bool
    ) throws {
        var goesOn = true
        var tries = 0
        while goesOn {
            do {
                try read { snapshot in
                    // Where records are missing the tables are only looked at, not compared.
                    if !log.hasDamage, try isBehind(snapshot, &tries) { return }
                    goesOn = try body(&log, snapshot)
                }
            } catch is SnapshotSpent {
                continue
            } catch let error as TablesError where error.isUnreadable {
                return log.report(Finding(.pages, "a part of it can't be read: \(error.detail)", table: table))
            } catch let error as StoreError where error.code == .damaged {
                return log.report(Finding(.pages, "a part of it makes no sense: \(error.detail)", table: table))
            }
        }
    }

    private mutating func isBehind(_ snapshot: any ReadTables, _ tries: inout Int) throws -> Bool {
        guard try log.advance(snapshot, limit: slice) else {
            tries = 0
            return false
        }
        tries += 1
        guard tries > Self.patience else { return true }
        while try log.advance(snapshot, limit: slice) {}
        return false
    }

    private mutating func compare(_ table: TableName) throws {
        var start: [UInt8]? = []
        let slice = slice
        try inSlices(table) { log, snapshot in
            guard let from = start else { return false }
            start = try TableComparison.compare(
                table, from: from, limit: slice, stored: snapshot, expected: log.hasDamage ? nil : log.expected
            ) { log.reportRow($0) }
            return start != nil
        }
    }

    private mutating func checkChunks() throws {
        var start: [UInt8] = []
        var last: LSN?
        let slice = slice
        try inSlices(.blobs) { log, snapshot in
            var left = slice
            try snapshot.scan(.blobs, from: start.isEmpty ? nil : start, reversed: false) { key, _ in
                if left == 0 { return false }
                left -= 1
                start = TableComparison.successor([UInt8](key))
                var reader = KeyReader(key)
                let lsn = LSN(reader.integer(UInt64.self) ?? 0)
                if !log.hasDamage, !log.isChunked(lsn), lsn != last {
                    log.report(
                        Finding(
                            .chunk, "the record has no payload outside it, but there is one", lsn: lsn, table: .blobs))
                }
                last = lsn
                return true
            }
            return left == 0
        }
    }

    /// Recovery must find the head of every run that the log has.
    private mutating func checkHeads() throws {
        var check = HeadCheck(slice: slice)
        try inSlices(.meta) { log, snapshot in
            do {
                return try check.advance(snapshot, &log)
            } catch let error as StoreError where error.code == .damaged {
                log.report(Finding(.checkpoint, error.detail, lsn: error.lsn, table: .meta))
                return false
            }
        }
    }
}

/// Follows recovery: the checkpoint, what was written since, and the heads that come of both.
private struct HeadCheck {
    private enum Stage {
        case checkpoint
        case log
        case staleRuns([RunNumber])
        case openRuns(from: [UInt8])
    }

    let slice: Int
    private var index = HeadIndex()
    private var stage = Stage.checkpoint

    init(slice: Int) { self.slice = slice }

    /// Returns whether there is more.
    mutating func advance(_ tables: any ReadTables, _ log: inout LogVerifier) throws -> Bool {
        if case .checkpoint = stage {
            index = try Recovery.checkpoint(tables)
            stage = .log
        }
        // Also later, since a live engine goes on.
        if try Recovery.advance(&index, tables, limit: slice) { return true }
        switch stage {
        case .checkpoint, .log: stage = .staleRuns(index.stale.keys.sorted())
        case .staleRuns(let runs):
            for run in runs.prefix(slice) { try Recovery.requireRow(of: run, index, tables) }
            stage = runs.count > slice ? .staleRuns(Array(runs.dropFirst(slice))) : .openRuns(from: [])
        case .openRuns(let start): return try openRuns(from: start, tables, &log)
        }
        return true
    }

    private mutating func openRuns(
        from start: [UInt8], _ tables: any ReadTables, _ log: inout LogVerifier
    ) throws -> Bool {
        var left = slice
        var next = start
        try tables.scan(.open, from: start.isEmpty ? nil : start, reversed: false) { key, _ in
            if left == 0 { return false }
            left -= 1
            next = TableComparison.successor([UInt8](key))
            var reader = KeyReader(key)
            guard let number = reader.integer(UInt64.self), let row = try tables.get(.runs, [UInt8](key)) else {
                return true
            }
            let run = RunNumber(number)
            let head = try Recovery.head(of: run, row: row, index)
            if head != log.head(of: run) {
                log.report(
                    Finding(.checkpoint, "recovery takes \(head.lsn) for the run's last event", run: run, table: .meta))
            }
            return true
        }
        stage = .openRuns(from: next)
        return left == 0
    }
}

/// After an error the database lends nothing more of a snapshot; a fresh one may go on.
struct SnapshotSpent: Error {}

extension TablesError {
    /// Whether stored bytes may be to blame; other errors pass, or are no fault of the store.
    var isUnreadable: Bool { kind == .damaged || kind == .fatal }
}
