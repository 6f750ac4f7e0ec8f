import CLMDB
import Glibc
import StepLocks
import Synchronization

/// One LMDB environment: a directory with `data.mdb` and `lock.mdb`.
///
/// Readers run on any thread and never wait for the writer. One thread at a time writes; keep that a single long-lived
/// one, because LMDB's write lock belongs to the thread, and a thread that dies with it leaves the environment unusable.
package final class Environment: Sendable {
    /// LMDB's limit, fixed when the library is compiled; checked at open.
    package static let maximumKeyBytes = 511

    /// The directory, as it was given.
    package let path: String
    /// The kind of file system it lies on.
    package let fileSystem: FileSystemType
    package let isReadOnly: Bool
    /// Bytes of a page, in the file and on this machine.
    package let pageSize: Int
    let handle: EnvironmentHandle
    let gate: TransactionGate
    /// Distinguishes the environments of this process, so that a table of one is refused by another.
    let number: UInt64
    private let file: EnvironmentRegistry.FileID
    private let openingTables = Locked(())
    /// Up to where the file system has set blocks aside.
    let reservedEnd = Locked(0)

    private static let count = Atomic<UInt64>(0)

    init(
        path: String, fileSystem: FileSystemType, isReadOnly: Bool, pageSize: Int,
        handle: EnvironmentHandle, file: EnvironmentRegistry.FileID
    ) {
        self.path = path
        self.fileSystem = fileSystem
        self.isReadOnly = isReadOnly
        self.pageSize = pageSize
        self.handle = handle
        self.file = file
        gate = TransactionGate(path: path)
        number = Self.count.wrappingAdd(1, ordering: .relaxed).newValue
    }

    deinit { close() }

    /// Closes the environment when the transactions of other threads have ended. If this thread has one open, it is
    /// closed when that ends. Later use throws `Misuse.environmentClosed`.
    package func close() {
        let (handle, file) = (handle, file)
        gate.close { idle in
            for transaction in idle { LMDBCalls.abort(transaction) }
            LMDBCalls.close(handle)
            EnvironmentRegistry.release(file)
        }
    }

    // MARK: Transactions

    /// Runs a closure with a snapshot of the last commit. Keep it short: pages that it can see are not reused.
    package func read<Result>(_ body: (ReadTransaction) throws -> Result) throws -> Result {
        let transaction = try makeRead()
        defer { transaction.end() }
        return try body(transaction)
    }

    /// Begins a snapshot that may end on another thread, by `end()` or when it is released.
    package func beginRead() throws -> sending ReadTransaction {
        try makeRead()
    }

    private func makeRead() throws -> sending ReadTransaction {
        let thread = TransactionGate.thisThread
        let handle = try beginHandle(
            enter: { try gate.enterRead(thread) },
            begin: { idle in
                guard let idle else { return LMDBCalls.begin(self.handle, readOnly: true) }
                let code = LMDBCalls.renew(idle)
                if code != 0 { LMDBCalls.abort(idle) }
                return (code, code == 0 ? idle : nil)
            },
            leave: { gate.leaveRead(thread, returning: nil) },
            operation: "begin read")
        return ReadTransaction(environment: self, handle: handle, thread: thread, isWrite: false)
    }

    /// Begins the write transaction, after those of other threads and processes. The same thread ends it.
    package func beginWrite() throws -> WriteTransaction {
        guard !isReadOnly else { throw Misuse.environmentReadOnly(path: path) }
        let thread = TransactionGate.thisThread
        let handle = try beginHandle(
            enter: {
                try gate.enterWrite(thread)
                return nil
            },
            begin: { _ in LMDBCalls.begin(self.handle, readOnly: false) },
            leave: { gate.leaveWrite(thread) },
            operation: "begin write")
        return WriteTransaction(environment: self, handle: handle, thread: thread, isWrite: true)
    }

    /// Runs a closure with a write transaction on this thread, and commits; aborts if it throws.
    package func write<Result>(_ body: (WriteTransaction) throws -> Result) throws -> Result {
        let transaction = try beginWrite()
        do {
            let result = try body(transaction)
            try transaction.commit()
            return result
        } catch {
            transaction.abort()
            throw error
        }
    }

    /// Begins; if another process has grown the map, adopts its size first; if the reader table is full, frees the
    /// slots of dead processes first.
    private func beginHandle(
        enter: () throws -> TransactionHandle?,
        begin: (TransactionHandle?) -> (code: Int32, handle: TransactionHandle?),
        leave: () -> Void, operation: String
    ) throws -> TransactionHandle {
        // Another process may grow the map again between adopting and beginning, but hardly eight times in a row.
        for _ in 0..<8 {
            let begun = try begin(enter())
            if let handle = begun.handle { return handle }
            leave()
            switch begun.code {
            case LMDBError.mapResized: try adoptMapSize()
            case LMDBError.readersFull:
                if try checkReaders() == 0 { throw failure(begun.code, operation) }
            default: throw failure(begun.code, operation)
            }
        }
        throw failure(LMDBError.mapResized, operation)
    }

    // MARK: Tables

    /// Opens tables, all in one transaction, and creates those that are missing if asked to. Call it at start-up,
    /// on the writer thread.
    package func openTables(_ names: [String], create: Bool = false) throws -> [Table] {
        guard isReadOnly else {
            return try write { transaction in
                try names.map { try openTable($0, create: create, in: transaction) }
            }
        }
        return try openingTables.withLock { _ in
            let thread = TransactionGate.thisThread
            let handle = try beginHandleForTables(thread)
            defer { gate.leaveRead(thread, returning: nil) }
            let tables: [Table]
            do {
                tables = try names.map { try openTable($0, create: false, handle: handle) }
            } catch {
                LMDBCalls.abort(handle)
                throw error
            }
            // Committing, rather than ending, is what keeps the tables open.
            let code = LMDBCalls.commit(handle)
            guard code == 0 else { throw failure(code, "open tables") }
            return tables
        }
    }

    /// Opens one table; see `openTables`.
    package func table(_ name: String, create: Bool = false) throws -> Table {
        try openTables([name], create: create)[0]
    }

    private func beginHandleForTables(_ thread: UInt) throws -> TransactionHandle {
        try beginHandle(
            enter: {
                // A renewed transaction can't be committed, so an idle one is of no use here.
                if let idle = try gate.enterRead(thread) { LMDBCalls.abort(idle) }
                return nil
            },
            begin: { _ in LMDBCalls.begin(handle, readOnly: true) },
            leave: { gate.leaveRead(thread, returning: nil) },
            operation: "open tables")
    }

    func openTable(_ name: String, create: Bool, in transaction: WriteTransaction) throws -> Table {
        try openTable(name, create: create, handle: transaction.handle)
    }

    private func openTable(_ name: String, create: Bool, handle: TransactionHandle) throws -> Table {
        var (id, flags): (UInt32, UInt32) = (0, 0)
        var code = LMDBCalls.openTable(handle, name: name, create: create, table: &id)
        if code == 0 { code = LMDBCalls.tableFlags(handle, id, flags: &flags) }
        // A table with duplicates, integer keys or the like was not made by this library.
        if code == 0, flags != 0 { code = LMDBError.incompatible }
        guard code == 0 else { throw failure(code, "open table \(name)") }
        return Table(name: name, id: id, environment: number)
    }

    func failure(_ code: Int32, _ operation: String) -> LMDBError {
        LMDBError(code: code, operation: operation, path: path)
    }
}
