package import LMDB
import StepLocks

/// Tables in an LMDB environment.
package final class LMDBTables: Tables {
    /// How the environment is opened, beyond what ``StoreOptions`` says; for tests.
    package struct Settings: Sendable {
        package var durability = Environment.Durability.full
        /// Answers what file system a directory lies on; nil asks the kernel.
        package var fileSystemType: (@Sendable (String) throws -> FileSystemType)?
        package var delayBeforeRetry: (@Sendable (Int) -> Void)?
        package var faults: LMDBFaults?

        package init() {}
    }

    package let environment: Environment
    private let handles: TableHandles
    private let room: Room

    /// Takes an environment that holds the tables of a store.
    init(_ environment: Environment) throws {
        self.environment = environment
        room = Room(environment)
        handles = TableHandles(try environment.openTables(TableName.allCases.map(\.rawValue)))
    }

    static func options(_ settings: Settings, mapBytes: Int, readOnly: Bool) -> Environment.Options {
        var options = Environment.Options()
        options.mapSize = mapBytes
        options.readOnly = readOnly
        options.durability = settings.durability
        options.fileSystemType = settings.fileSystemType
        options.delayBeforeRetry = settings.delayBeforeRetry
        options.faults = settings.faults
        return options
    }

    package func beginWrite() throws(TablesError) -> any WriteTables {
        try translated { LMDBWrite(try environment.beginWrite(), handles, room) }
    }

    package func read<T>(_ body: (any ReadTables) throws -> T) throws -> T {
        let transaction: ReadTransaction = try translated { try environment.beginRead() }
        defer { transaction.end() }
        return try body(LMDBRead(transaction, handles))
    }

    package var info: TablesInfo {
        get throws(TablesError) {
            try translated {
                let info = try environment.info
                return TablesInfo(
                    lastTransactionID: info.lastTransactionID, usedBytes: info.usedBytes, mapBytes: info.mapSize)
            }
        }
    }

    package func reusableBytes() throws(TablesError) -> Int {
        try translated {
            try (environment.pageAccount()?.free ?? 0) * environment.pageSize
        }
    }

    package func reserve(bytes: Int, isTight: Bool) throws(TablesError) {
        room.needed.withLock { $0 = bytes }
        try translated {
            if isTight {
                try environment.reserve(bytes: bytes)
            } else {
                try environment.checkFileSizeLimit(adding: bytes)
            }
        }
    }

    package func grow(to bytes: Int) throws(TablesError) { try translated { try environment.grow(to: bytes) } }

    package func checkReaders() throws(TablesError) -> Int { try translated { try environment.checkReaders() } }

    package func laggingReaders(behind transactions: UInt64) throws(TablesError) -> [Int32] {
        try translated {
            let last = try environment.info.lastTransactionID
            let late = try environment.readers().filter { ($0.transactionID ?? last) &+ transactions < last }
            return Set(late.map(\.processID)).sorted()
        }
    }

    package var warnings: [String] {
        Self.warnings(path: environment.path, environment.fileSystem, LibraryVersion.loaded)
    }

    package static func warnings(
        path: String, _ fileSystem: FileSystemType, _ library: LibraryVersion
    ) -> [String] {
        var warnings: [String] = []
        if fileSystem.suitability == .doubtful {
            warnings.append(
                "\(path) lies on \(fileSystem.name), which may lose what was synced when the machine stops; a local"
                    + " disk does not")
        }
        if library.racesOnClose {
            warnings.append(
                "liblmdb \(library) may lose locks when one process opens the store while another closes it; use"
                    + " 0.9.25 or before, or 0.9.32 or later")
        }
        return warnings
    }

    package func close() { environment.close() }
}

/// The tables of one environment, found without hashing their names.
struct TableHandles: Sendable {
    private let tables: [Table]

    /// - Parameter tables: in the order of `TableName.allCases`.
    init(_ tables: [Table]) { self.tables = tables }

    subscript(name: TableName) -> Table {
        switch name {
        case .log: tables[0]
        case .blobs: tables[1]
        case .runs: tables[2]
        case .ids: tables[3]
        case .keys: tables[4]
        case .open: tables[5]
        case .timers: tables[6]
        case .signals: tables[7]
        case .meta: tables[8]
        }
    }
}

class LMDBRead: ReadTables {
    fileprivate final let reading: ReadTransaction
    fileprivate final let handles: TableHandles

    init(_ transaction: ReadTransaction, _ handles: TableHandles) {
        reading = transaction
        self.handles = handles
    }

    final var transactionID: UInt64 { reading.id }

    final func get(_ table: TableName, _ key: [UInt8]) throws(TablesError) -> [UInt8]? {
        try translated { try reading.get(handles[table], key: key) }
    }

    final func scan(
        _ table: TableName, from start: [UInt8]?, reversed: Bool,
        _ visit: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        let cursor = try translated { try reading.cursor(handles[table]) }
        var found = try translated { try Self.seek(cursor, start, reversed) }
        while found {
            // Errors of `visit` pass as they are.
            guard try cursor.withCurrent(visit) else { return }
            found = try translated { reversed ? try cursor.previous() : try cursor.next() }
        }
    }

    private static func seek(_ cursor: Cursor, _ start: [UInt8]?, _ reversed: Bool) throws -> Bool {
        guard let start else { return reversed ? try cursor.seekLast() : try cursor.first() }
        if !reversed { return try cursor.seek(atOrAfter: start) }
        return try cursor.seek(exactly: start) ? true : cursor.seek(before: start)
    }

    final func count(_ table: TableName) throws(TablesError) -> Int {
        try translated { try reading.statistics(handles[table]).entries }
    }
}

/// Tells a full disk from a broken one, after the fact.
private final class Room: Sendable {
    private let environment: Environment
    /// What the transaction may add.
    let needed = Locked(0)

    init(_ environment: Environment) { self.environment = environment }

    /// The lack of room that explains an input/output error; nil when there is none.
    var shortage: LMDBError? {
        do {
            try environment.reserve(bytes: needed.withLock { $0 })
            return nil
        } catch {
            return (error as? LMDBError).flatMap { $0.isNoSpace ? $0 : nil }
        }
    }
}

final class LMDBWrite: LMDBRead, WriteTables {
    private let writing: WriteTransaction
    private let room: Room?

    fileprivate init(_ transaction: WriteTransaction, _ handles: TableHandles, _ room: Room?) {
        writing = transaction
        self.room = room
        super.init(transaction, handles)
    }

    func put(_ table: TableName, _ key: [UInt8], _ value: [UInt8]) throws(TablesError) {
        try translated { try writing.put(handles[table], key: key, value: value) }
    }

    func append(
        _ table: TableName, _ key: UnsafeRawBufferPointer, count: Int,
        _ fill: (UnsafeMutableRawBufferPointer) -> Void
    ) throws(TablesError) {
        try translated { try writing.put(handles[table], key: key, valueCount: count, mode: .append, fill) }
    }

    func delete(_ table: TableName, _ key: [UInt8]) throws(TablesError) -> Bool {
        try translated { try writing.delete(handles[table], key: key) }
    }

    func commit() throws(TablesError) {
        try translated {
            do {
                try writing.commit()
            } catch let error as LMDBError where error.isEIO {
                // LMDB reports this too when the disk took only a part of a write. Nothing of the transaction counts
                // then, and it is written anew as a whole. If it was the write that makes it count, LMDB refuses to
                // begin another one.
                throw room?.shortage ?? error
            }
        }
    }

    func rollBack() { writing.abort() }
}

extension LMDBWrite {
    /// The first transaction of a store, outside its tables.
    convenience init(_ transaction: WriteTransaction, _ handles: TableHandles) { self.init(transaction, handles, nil) }
}

@inline(__always)
private func translated<T>(_ body: () throws -> T) throws(TablesError) -> T {
    do { return try body() } catch { throw TablesError(error) }
}

extension TablesError {
    /// Sorts an error of the environment by what there is to do about it.
    package init(_ error: any Error) {
        switch error {
        case let error as TablesError: self = error
        case let error as LMDBError: self.init(Self.kind(of: error), "\(error)")
        case let error as Misuse:
            if case .environmentClosed = error {
                self.init(.closed, "\(error)")
            } else {
                self.init(.fatal, "\(error)")
            }
        default: self.init(.fatal, "\(error)")
        }
    }

    private static func kind(of error: LMDBError) -> Kind {
        if error.isMapFull { return .mapFull }
        if error.isTxnFull || error.isInterrupted || error.isOutOfMemory { return .transient }
        if error.isNoSpace { return .noSpace }
        if error.isReadersFull { return .readersFull }
        if error.isDamage { return .damaged }
        return .fatal
    }
}
