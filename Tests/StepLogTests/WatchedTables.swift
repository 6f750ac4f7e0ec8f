import StepLocks
import StepLog

/// Tables that count what each snapshot lends, do something between two snapshots, and keep some rows unreadable.
final class WatchedTables: Tables {
    final class Watch: Sendable {
        struct State {
            /// Rows lent in each snapshot.
            var snapshots: [Int] = []
            /// Called after each snapshot.
            var afterRead: (@Sendable () -> Void)?
            /// Says which rows lie on damaged pages.
            var isDamaged: (@Sendable (TableName, [UInt8]) -> Bool)?
        }

        private let state = Locked(State())

        func withLock<T>(_ body: (inout State) -> T) -> T { state.withLock { body(&$0) } }
    }

    private let base: any Tables
    private let watch: Watch

    init(_ base: any Tables, _ watch: Watch) {
        self.base = base
        self.watch = watch
    }

    func read<T>(_ body: (any ReadTables) throws -> T) throws -> T {
        defer { watch.withLock { $0.afterRead }?() }
        return try base.read { snapshot in
            let watched = WatchedRead(snapshot, watch.withLock { $0.isDamaged })
            defer { watch.withLock { $0.snapshots.append(watched.rows) } }
            return try body(watched)
        }
    }

    func beginWrite() throws(TablesError) -> any WriteTables { try base.beginWrite() }
    var info: TablesInfo { get throws(TablesError) { try base.info } }
    func reusableBytes() throws(TablesError) -> Int { try base.reusableBytes() }
    func reserve(bytes: Int, isTight: Bool) throws(TablesError) { try base.reserve(bytes: bytes, isTight: isTight) }
    func grow(to bytes: Int) throws(TablesError) { try base.grow(to: bytes) }
    func checkReaders() throws(TablesError) -> Int { try base.checkReaders() }
    func close() { base.close() }
}

private final class WatchedRead: ReadTables {
    private let base: any ReadTables
    private let isDamaged: (@Sendable (TableName, [UInt8]) -> Bool)?
    /// As the database has it: after an error a snapshot lends nothing more.
    private var isSpent = false
    private(set) var rows = 0

    init(_ base: any ReadTables, _ isDamaged: (@Sendable (TableName, [UInt8]) -> Bool)?) {
        self.base = base
        self.isDamaged = isDamaged
    }

    var transactionID: UInt64 { base.transactionID }

    func get(_ table: TableName, _ key: [UInt8]) throws(TablesError) -> [UInt8]? {
        try check(table, key)
        return try base.get(table, key)
    }

    func scan(
        _ table: TableName, from start: [UInt8]?, reversed: Bool,
        _ visit: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        try base.scan(table, from: start, reversed: reversed) { key, value in
            try check(table, [UInt8](key))
            return try visit(key, value)
        }
    }

    func count(_ table: TableName) throws(TablesError) -> Int { try base.count(table) }

    private func check(_ table: TableName, _ key: [UInt8]) throws(TablesError) {
        rows += 1
        isSpent = isSpent || isDamaged?(table, key) ?? false
        if isSpent { throw TablesError(.damaged, "the page makes no sense") }
    }
}
