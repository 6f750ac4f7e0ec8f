import CLMDB
import Glibc

/// An open or opening environment. LMDB allows it on any thread; what it doesn't allow beside transactions (changing
/// the map, closing) goes through `TransactionGate`.
@safe struct EnvironmentHandle: @unchecked Sendable {
    let raw: OpaquePointer
    let faults: LMDBFaults?
}

/// A transaction. Used by one thread at a time, which its owner sees to; idle ones wait in `TransactionGate`.
@safe struct TransactionHandle: @unchecked Sendable {
    let raw: OpaquePointer
    let faults: LMDBFaults?
}

/// A cursor of one transaction.
@safe struct CursorHandle {
    let raw: OpaquePointer
    let faults: LMDBFaults?
}

/// Every call into LMDB: the only place that names its functions. Each wrapper asks the plan of failures first.
enum LMDBCalls {
    enum Code {
        static let keyExists = Int32(MDB_KEYEXIST)
        static let notFound = Int32(MDB_NOTFOUND)
        static let pageNotFound = Int32(MDB_PAGE_NOTFOUND)
        static let corrupted = Int32(MDB_CORRUPTED)
        static let panic = Int32(MDB_PANIC)
        static let versionMismatch = Int32(MDB_VERSION_MISMATCH)
        static let invalid = Int32(MDB_INVALID)
        static let mapFull = Int32(MDB_MAP_FULL)
        static let tablesFull = Int32(MDB_DBS_FULL)
        static let readersFull = Int32(MDB_READERS_FULL)
        static let transactionFull = Int32(MDB_TXN_FULL)
        static let cursorFull = Int32(MDB_CURSOR_FULL)
        static let pageFull = Int32(MDB_PAGE_FULL)
        static let mapResized = Int32(MDB_MAP_RESIZED)
        static let incompatible = Int32(MDB_INCOMPATIBLE)
        static let badReaderSlot = Int32(MDB_BAD_RSLOT)
        static let badTransaction = Int32(MDB_BAD_TXN)
        static let badValueSize = Int32(MDB_BAD_VALSIZE)
        static let badDatabaseID = Int32(MDB_BAD_DBI)
    }

    // MARK: The library

    /// mdb_strerror
    static func describe(_ code: Int32) -> String {
        guard let text = unsafe mdb_strerror(code) else { return "unknown error" }
        return unsafe String(cString: text)
    }

    /// mdb_version
    static var version: LibraryVersion {
        var (major, minor, patch): (Int32, Int32, Int32) = (0, 0, 0)
        _ = unsafe mdb_version(&major, &minor, &patch)
        return LibraryVersion(major: Int(major), minor: Int(minor), patch: Int(patch))
    }

    // MARK: Environments

    /// mdb_env_create
    static func createEnvironment(_ faults: LMDBFaults?) throws(LMDBError) -> EnvironmentHandle {
        var raw: OpaquePointer?
        let code = unsafe mdb_env_create(&raw)
        guard code == 0, let raw = unsafe raw else { throw LMDBError(code: code, operation: "create handle") }
        return unsafe EnvironmentHandle(raw: raw, faults: faults)
    }

    /// mdb_env_set_maxreaders, mdb_env_set_maxdbs
    static func setLimits(_ environment: EnvironmentHandle, readers: UInt32, tables: UInt32) -> Int32 {
        let code = unsafe mdb_env_set_maxreaders(environment.raw, readers)
        return code == 0 ? unsafe mdb_env_set_maxdbs(environment.raw, tables) : code
    }

    /// mdb_env_set_mapsize
    static func setMapSize(_ environment: EnvironmentHandle, _ size: Int) -> Int32 {
        if let verdict = environment.faults?.verdict(.setMapSize) { return verdict.code }
        return unsafe mdb_env_set_mapsize(environment.raw, size)
    }

    /// mdb_env_set_mapsize
    static func setInitialMapSize(_ environment: EnvironmentHandle, _ size: Int) -> Int32 {
        unsafe mdb_env_set_mapsize(environment.raw, size)
    }

    /// mdb_env_open
    static func open(
        _ environment: EnvironmentHandle, directory: String, readOnly: Bool, syncs: Bool
    ) -> Int32 {
        if let verdict = environment.faults?.verdict(.openEnvironment) { return verdict.code }
        var flags = UInt32(MDB_NOTLS)
        if readOnly { flags |= UInt32(MDB_RDONLY) }
        if !syncs { flags |= UInt32(MDB_NOSYNC) }
        return unsafe mdb_env_open(environment.raw, directory, flags, 0o600)
    }

    /// mdb_env_close
    static func close(_ environment: EnvironmentHandle) {
        unsafe mdb_env_close(environment.raw)
    }

    /// mdb_env_sync
    static func sync(_ environment: EnvironmentHandle) -> Int32 {
        if let verdict = environment.faults?.verdict(.sync) { return verdict.code }
        return unsafe mdb_env_sync(environment.raw, 1)
    }

    /// mdb_env_get_fd
    static func descriptor(_ environment: EnvironmentHandle) -> Int32? {
        var descriptor: Int32 = -1
        return unsafe mdb_env_get_fd(environment.raw, &descriptor) == 0 ? descriptor : nil
    }

    /// mdb_env_info
    static func numbers(_ environment: EnvironmentHandle) -> (code: Int32, numbers: EnvironmentNumbers) {
        var raw = unsafe MDB_envinfo()
        let code = unsafe mdb_env_info(environment.raw, &raw)
        let numbers = unsafe EnvironmentNumbers(
            mapSize: raw.me_mapsize, lastPage: raw.me_last_pgno,
            lastTransactionID: UInt64(truncatingIfNeeded: raw.me_last_txnid),
            readersInUse: Int(raw.me_numreaders), maxReaders: Int(raw.me_maxreaders))
        return (code, numbers)
    }

    /// mdb_env_get_maxkeysize
    static func maximumKeyBytes(_ environment: EnvironmentHandle) -> Int {
        Int(unsafe mdb_env_get_maxkeysize(environment.raw))
    }

    /// mdb_env_copyfd2
    static func compactingCopy(_ environment: EnvironmentHandle, to descriptor: Int32) -> Int32 {
        if let verdict = environment.faults?.verdict(.copy) { return verdict.code }
        return unsafe mdb_env_copyfd2(environment.raw, descriptor, UInt32(MDB_CP_COMPACT))
    }

    /// Sets blocks aside without making the file longer; an errno. — fallocate
    static func reserve(_ environment: EnvironmentHandle, from offset: Int, to end: Int) -> Int32 {
        if let verdict = environment.faults?.verdict(.reserve) { return verdict.code }
        guard let descriptor = descriptor(environment) else { return EBADF }
        return stepkit_reserve(descriptor, offset, end - offset) == 0 ? 0 : errno
    }

    // MARK: Readers

    /// mdb_reader_check
    static func checkReaders(_ environment: EnvironmentHandle, cleared: inout Int32) -> Int32 {
        unsafe mdb_reader_check(environment.raw, &cleared)
    }

    /// mdb_reader_list
    static func readerLines(_ environment: EnvironmentHandle) -> (code: Int32, lines: [String]) {
        var lines: [String] = []
        let code = unsafe withUnsafeMutablePointer(to: &lines) { pointer in
            unsafe mdb_reader_list(
                environment.raw,
                { text, context in
                    guard let text = unsafe text, let context = unsafe context else { return 0 }
                    unsafe context.assumingMemoryBound(to: [String].self).pointee.append(String(cString: text))
                    return 0
                }, pointer)
        }
        return (code < 0 ? code : 0, lines)
    }

    // MARK: Transactions

    /// mdb_txn_begin
    static func begin(_ environment: EnvironmentHandle, readOnly: Bool) -> (code: Int32, handle: TransactionHandle?) {
        if let verdict = environment.faults?.verdict(readOnly ? .beginRead : .beginWrite) {
            return (verdict.code, nil)
        }
        var raw: OpaquePointer?
        let code = unsafe mdb_txn_begin(environment.raw, nil, readOnly ? UInt32(MDB_RDONLY) : 0, &raw)
        guard code == 0, let raw = unsafe raw else { return (code, nil) }
        return (0, unsafe TransactionHandle(raw: raw, faults: environment.faults))
    }

    /// mdb_txn_renew
    static func renew(_ transaction: TransactionHandle) -> Int32 {
        if let verdict = transaction.faults?.verdict(.beginRead) { return verdict.code }
        return unsafe mdb_txn_renew(transaction.raw)
    }

    /// mdb_txn_reset
    static func reset(_ transaction: TransactionHandle) {
        unsafe mdb_txn_reset(transaction.raw)
    }

    /// mdb_txn_commit
    static func commit(_ transaction: TransactionHandle) -> Int32 {
        if let verdict = transaction.faults?.verdict(.commit) {
            guard verdict.afterEffect else {
                unsafe mdb_txn_abort(transaction.raw)
                return verdict.code
            }
            let code = unsafe mdb_txn_commit(transaction.raw)
            return code == 0 ? verdict.code : code
        }
        return unsafe mdb_txn_commit(transaction.raw)
    }

    /// mdb_txn_abort
    static func abort(_ transaction: TransactionHandle) {
        unsafe mdb_txn_abort(transaction.raw)
    }

    /// mdb_txn_id
    static func id(_ transaction: TransactionHandle) -> UInt64 {
        UInt64(truncatingIfNeeded: unsafe mdb_txn_id(transaction.raw))
    }

    // MARK: Tables

    /// mdb_dbi_open
    static func openTable(
        _ transaction: TransactionHandle, name: String, create: Bool, table: inout UInt32
    ) -> Int32 {
        if let verdict = transaction.faults?.verdict(.openTable) { return verdict.code }
        return unsafe mdb_dbi_open(transaction.raw, name, create ? UInt32(MDB_CREATE) : 0, &table)
    }

    /// mdb_dbi_flags
    static func tableFlags(_ transaction: TransactionHandle, _ table: UInt32, flags: inout UInt32) -> Int32 {
        unsafe mdb_dbi_flags(transaction.raw, table, &flags)
    }

    /// mdb_stat
    static func statistics(_ transaction: TransactionHandle, _ table: UInt32, _ result: inout MDB_stat) -> Int32 {
        unsafe mdb_stat(transaction.raw, table, &result)
    }

    /// mdb_drop
    static func clear(_ transaction: TransactionHandle, _ table: UInt32) -> Int32 {
        if let verdict = transaction.faults?.verdict(.delete) { return verdict.code }
        return unsafe mdb_drop(transaction.raw, table, 0)
    }

    // MARK: Entries

    /// mdb_get
    @inline(__always)
    static func get(
        _ transaction: TransactionHandle, _ table: UInt32, key: UnsafeRawBufferPointer, value: inout MDB_val
    ) -> Int32 {
        if let verdict = transaction.faults?.verdict(.get) { return verdict.code }
        var key = unsafe MDB_val(key)
        return unsafe mdb_get(transaction.raw, table, &key, &value)
    }

    /// mdb_put
    @inline(__always)
    static func put(
        _ transaction: TransactionHandle, _ table: UInt32, key: UnsafeRawBufferPointer, value: inout MDB_val,
        mode: PutMode, reserve: Bool
    ) -> Int32 {
        if let verdict = transaction.faults?.verdict(.put) { return verdict.code }
        var key = unsafe MDB_val(key)
        let flags = mode.flags | (reserve ? UInt32(MDB_RESERVE) : 0)
        return unsafe mdb_put(transaction.raw, table, &key, &value, flags)
    }

    /// mdb_del
    static func delete(_ transaction: TransactionHandle, _ table: UInt32, key: UnsafeRawBufferPointer) -> Int32 {
        if let verdict = transaction.faults?.verdict(.delete) { return verdict.code }
        var key = unsafe MDB_val(key)
        return unsafe mdb_del(transaction.raw, table, &key, nil)
    }

    // MARK: Cursors

    /// mdb_cursor_open
    static func openCursor(_ transaction: TransactionHandle, _ table: UInt32) -> (code: Int32, handle: CursorHandle?) {
        var raw: OpaquePointer?
        let code = unsafe mdb_cursor_open(transaction.raw, table, &raw)
        guard code == 0, let raw = unsafe raw else { return (code, nil) }
        return (0, unsafe CursorHandle(raw: raw, faults: transaction.faults))
    }

    /// mdb_cursor_close
    static func closeCursor(_ cursor: CursorHandle) {
        unsafe mdb_cursor_close(cursor.raw)
    }

    /// mdb_cursor_get
    @inline(__always)
    static func move(
        _ cursor: CursorHandle, _ movement: CursorMove, key: inout MDB_val, value: inout MDB_val
    ) -> Int32 {
        if let verdict = cursor.faults?.verdict(.cursorMove) { return verdict.code }
        return unsafe mdb_cursor_get(cursor.raw, &key, &value, movement.operation)
    }
}

/// What LMDB tells of an environment.
struct EnvironmentNumbers {
    var mapSize: Int
    var lastPage: Int
    var lastTransactionID: UInt64
    var readersInUse: Int
    var maxReaders: Int
}

/// Where a cursor goes.
enum CursorMove {
    case first, last, next, previous, atOrAfter, exactly

    fileprivate var operation: MDB_cursor_op {
        switch self {
        case .first: MDB_FIRST
        case .last: MDB_LAST
        case .next: MDB_NEXT
        case .previous: MDB_PREV
        case .atOrAfter: MDB_SET_RANGE
        case .exactly: MDB_SET_KEY
        }
    }
}

extension PutMode {
    fileprivate var flags: UInt32 {
        switch self {
        case .overwrite: 0
        case .noOverwrite: UInt32(MDB_NOOVERWRITE)
        case .append: UInt32(MDB_APPEND)
        }
    }
}

extension MDB_val {
    @inline(__always)
    init(_ bytes: UnsafeRawBufferPointer) {
        unsafe self.init(mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
    }

    @inline(__always)
    var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: mv_data, count: mv_size) }
}
