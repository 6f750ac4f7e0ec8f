import Glibc
import StepEvents
import StepLog
import Synchronization

/// Tables that look at every record which is written, and end the process around the commit of the first one of a kind.
final class DeadlyTables: Tables {
    enum Moment: String, CaseIterable, Sendable {
        case before
        case after
    }

    /// Kinds in commits that have returned.
    final class Met: Sendable {
        private let kinds = Mutex<Set<EventKind>>([])

        var all: Set<EventKind> { kinds.withLock { $0 } }
        fileprivate func add(_ more: Set<EventKind>) { kinds.withLock { $0.formUnion(more) } }
    }

    private let base: any Tables
    private let deadly: (EventKind, Moment)?
    private let met: Met

    init(_ base: any Tables, deadly: (EventKind, Moment)?, met: Met) {
        self.base = base
        self.deadly = deadly
        self.met = met
    }

    func beginWrite() throws(TablesError) -> any WriteTables { DeadlyWrite(try base.beginWrite(), self) }
    func read<T>(_ body: (any ReadTables) throws -> T) throws -> T { try base.read(body) }
    var info: TablesInfo { get throws(TablesError) { try base.info } }
    func reusableBytes() throws(TablesError) -> Int { try base.reusableBytes() }
    func reserve(bytes: Int, isTight: Bool) throws(TablesError) { try base.reserve(bytes: bytes, isTight: isTight) }
    func grow(to bytes: Int) throws(TablesError) { try base.grow(to: bytes) }
    func checkReaders() throws(TablesError) -> Int { try base.checkReaders() }
    func close() { base.close() }

    fileprivate func comes(_ moment: Moment, of kinds: Set<EventKind>) {
        if moment == .after { met.add(kinds) }
        guard let deadly, deadly.1 == moment, kinds.contains(deadly.0) else { return }
        kill(getpid(), SIGKILL)
    }
}

private final class DeadlyWrite: WriteTables {
    private let base: any WriteTables
    private let tables: DeadlyTables
    private var kinds: Set<EventKind> = []

    init(_ base: any WriteTables, _ tables: DeadlyTables) {
        self.base = base
        self.tables = tables
    }

    var transactionID: UInt64 { base.transactionID }

    func get(_ table: TableName, _ key: [UInt8]) throws(TablesError) -> [UInt8]? { try base.get(table, key) }

    func scan(
        _ table: TableName, from start: [UInt8]?, reversed: Bool,
        _ visit: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws -> Bool
    ) throws { try base.scan(table, from: start, reversed: reversed, visit) }

    func count(_ table: TableName) throws(TablesError) -> Int { try base.count(table) }
    func put(_ table: TableName, _ key: [UInt8], _ value: [UInt8]) throws(TablesError) {
        try base.put(table, key, value)
    }

    func append(
        _ table: TableName, _ key: UnsafeRawBufferPointer, count: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Void
    ) throws(TablesError) {
        var first: UInt8?
        try base.append(table, key, count: count) { target in
            fill(target)
            first = target.first
        }
        if table == .log, let kind = first.flatMap(EventKind.init(rawValue:)) { kinds.insert(kind) }
    }

    func delete(_ table: TableName, _ key: [UInt8]) throws(TablesError) -> Bool { try base.delete(table, key) }

    func commit() throws(TablesError) {
        tables.comes(.before, of: kinds)
        try base.commit()
        tables.comes(.after, of: kinds)
    }

    func rollBack() { base.rollBack() }
}
