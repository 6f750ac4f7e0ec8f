package import StepEvents

/// One state of a store: what some commit left. Lent by ``EventStore/read(_:)``; keep it short.
package struct StoreSnapshot: ~Copyable {
    let tables: any ReadTables
    let source: SnapshotSource

    var path: String? { source.path }

    // MARK: Events

    /// The last record of the log, and when it was written; `nil` in a store without any.
    package func lastCommit() throws(StoreError) -> LoggedEvent? {
        try asStoreError(path) {
            let last = try tables.lastLSN()
            return last == .zero ? nil : try tables.event(at: last)
        }
    }

    package func event(at lsn: LSN) throws(StoreError) -> LoggedEvent? {
        try asStoreError(path) { try tables.event(at: lsn) }
    }

    /// Events after an LSN, oldest first: at most `limit`, and no more once 8 MiB of records and of payloads beside them
    /// are read, but at least one if there is one. Commit records are left out unless asked for.
    package func events(
        after lsn: LSN, limit: Int, includingCommits: Bool = false
    ) throws(StoreError) -> [LoggedEvent] {
        // Nothing comes after the last number that there is.
        if lsn == .last { return [] }
        return try asStoreError(path) {
            var slice = EventSlice()
            try tables.scanLog(from: lsn.next) { lsn, record in
                guard slice.events.count < limit, slice.hasRoom else { return false }
                if !includingCommits, record.first == EventKind.commitRecord.rawValue { return true }
                try slice.take(record, at: lsn, tables)
                return true
            }
            return slice.events
        }
    }

    /// The events at these places, in their order, until 8 MiB are read; see ``events(after:limit:includingCommits:)``.
    /// It ends early where the log has no such record.
    package func events(at places: some Sequence<LSN>) throws(StoreError) -> [LoggedEvent] {
        try asStoreError(path) {
            var slice = EventSlice()
            for lsn in places where slice.hasRoom {
                guard let record = try tables.get(.log, TableKey.lsn(lsn)) else { break }
                try slice.take(record, at: lsn, tables)
            }
            return slice.events
        }
    }

    /// Where the last event of a run is; `nil` when there is no such run.
    package func head(of run: RunNumber) throws(StoreError) -> Head? {
        try asStoreError(path) { try source.head(of: run, tables) }
    }

    // MARK: Runs

    package func run(_ number: RunNumber) throws(StoreError) -> RunRow? {
        try asStoreError(path) {
            try tables.get(.runs, TableKey.run(number)).map { try RunRow.decode($0, run: number) }
        }
    }

    package func run(id: RunID) throws(StoreError) -> RunRow? {
        guard let number = try number(of: id) else { return nil }
        return try run(number)
    }

    package func run(workflow: String, key: String) throws(StoreError) -> RunRow? {
        let found: RunNumber? = try asStoreError(path) {
            guard let bytes = try tables.get(.keys, TableKey.runKey(workflow: workflow, key: key)) else { return nil }
            guard let value = KeyedRun(bytes) else {
                throw StoreError(.damaged, "the row of key \(key) can't be decoded", table: .keys)
            }
            guard value.workflow == longText(workflow), value.key == longText(key) else {
                throw StoreError(.damaged, "the row of key \(key) belongs to another key", table: .keys)
            }
            return value.run
        }
        guard let found else { return nil }
        return try run(found)
    }

    package func number(of id: RunID) throws(StoreError) -> RunNumber? {
        try asStoreError(path) {
            guard let bytes = try tables.get(.ids, TableKey.runID(id)) else { return nil }
            guard
                let number = bytes.withUnsafeBytes({ key -> UInt64? in
                    var reader = KeyReader(key)
                    return reader.integer()
                })
            else { throw StoreError(.damaged, "the row of run \(id) can't be decoded", table: .ids) }
            return RunNumber(number)
        }
    }

    /// Rows with numbers below `number` (all, when `nil`), the newest run first.
    package func runs(before number: RunNumber? = nil, limit: Int) throws(StoreError) -> [RunRow] {
        if number?.value == 0 { return [] }
        let start = number.map { TableKey.run(RunNumber($0.value - 1)) }
        return try rows(from: start, reversed: true, limit: limit)
    }

    /// Rows with numbers above `number`, the oldest run first.
    package func runs(after number: RunNumber, limit: Int) throws(StoreError) -> [RunRow] {
        guard let next = number.next else { return [] }
        return try rows(from: TableKey.run(next), reversed: false, limit: limit)
    }

    private func rows(from start: [UInt8]?, reversed: Bool, limit: Int) throws(StoreError) -> [RunRow] {
        try asStoreError(path) {
            var rows: [RunRow] = []
            guard limit > 0 else { return rows }
            try tables.scan(.runs, from: start, reversed: reversed) { key, value in
                var reader = KeyReader(key)
                guard let number = reader.integer(UInt64.self), reader.left == 0 else {
                    throw StoreError(.damaged, "a key of \(key.count) bytes is not a run number", table: .runs)
                }
                rows.append(try RunRow.decode([UInt8](value), run: RunNumber(number)))
                return rows.count < limit
            }
            return rows
        }
    }

    /// The LSN of the last record; zero in an empty log.
    package func lastLSN() throws(StoreError) -> LSN { try asStoreError(path) { try tables.lastLSN() } }

    /// The largest run number given so far; zero when there is none.
    package func lastRun() throws(StoreError) -> RunNumber {
        try asStoreError(path) {
            var last = RunNumber(0)
            try tables.scan(.runs, from: nil, reversed: true) { key, _ in
                var reader = KeyReader(key)
                last = RunNumber(reader.integer(UInt64.self) ?? 0)
                return false
            }
            return last
        }
    }

    /// The runs that have not ended, with numbers above `number`, the oldest first.
    package func openRuns(
        after number: RunNumber = .store, limit: Int = .max
    ) throws(StoreError) -> [RunNumber] {
        try asStoreError(path) {
            var runs: [RunNumber] = []
            guard limit > 0, let next = number.next else { return runs }
            try tables.scan(.open, from: TableKey.run(next), reversed: false) { key, _ in
                var reader = KeyReader(key)
                guard let run = reader.integer(UInt64.self), reader.left == 0 else {
                    throw StoreError(.damaged, "a key of \(key.count) bytes is not a run number", table: .open)
                }
                runs.append(RunNumber(run))
                return runs.count < limit
            }
            return runs
        }
    }

    private func scanPrefix(_ table: TableName, _ prefix: [UInt8], _ visit: () -> Void) throws {
        try tables.scan(table, from: prefix, reversed: false) { key, _ in
            guard key.starts(with: prefix) else { return false }
            visit()
            return true
        }
    }

    package func statistics() throws(StoreError) -> StoreStatistics {
        try asStoreError(path) {
            // A receipt by key has a row for its time too.
            var times = 0
            try scanPrefix(.signals, [TableKey.SignalTag.receiptTime.rawValue]) { times += 1 }
            return StoreStatistics(
                lastLSN: try tables.lastLSN(), records: try tables.count(.log), runs: try tables.count(.runs),
                openRuns: try tables.count(.open), timers: try tables.count(.timers),
                signals: try tables.count(.signals) - times, chunks: try tables.count(.blobs),
                lastTransactionID: tables.transactionID)
        }
    }
}

/// Events read together: as many as fit into 8 MiB, but at least one.
private struct EventSlice {
    private(set) var events: [LoggedEvent] = []
    private var bytes = 0

    var hasRoom: Bool { events.isEmpty || bytes < Limits.batchBytes }

    mutating func take(_ record: [UInt8], at lsn: LSN, _ tables: any ReadTables) throws {
        let chunks = try tables.chunks(of: record, at: lsn)
        bytes += record.count + (chunks?.count ?? 0)
        events.append(try RecordCodec.decode(record[...], lsn: lsn, chunks: chunks))
    }
}

/// Counts of one state of a store.
package struct StoreStatistics: Hashable, Sendable {
    package var lastLSN: LSN
    /// Records of the log, commit records included.
    package var records: Int
    package var runs: Int
    package var openRuns: Int
    package var timers: Int
    /// Waiters, kept signals and receipts.
    package var signals: Int
    package var chunks: Int
    package var lastTransactionID: UInt64
}

extension StoreSnapshot {
    /// Visits a table's keys and values as they are stored, in key order, until `visit` returns false; for copies and
    /// comparisons.
    package func scanRaw(
        _ table: TableName, from start: [UInt8]? = nil, _ visit: ([UInt8], [UInt8]) throws -> Bool
    ) throws {
        try tables.scan(table, from: start, reversed: false) { key, value in
            try visit([UInt8](key), [UInt8](value))
        }
    }
}
