import CLMDB

/// A snapshot of an environment: what the last commit before it left, whatever is written meanwhile.
///
/// Not `Sendable`: one thread at a time uses it, but it may move from thread to thread. Keep it short (at most about a
/// second), because pages that it can see are not reused. Bytes lent to a closure are valid inside that closure only.
package class ReadTransaction {
    package final let environment: Environment
    final let handle: TransactionHandle
    final let thread: UInt
    final let isWrite: Bool
    final var isOpen = true
    /// How many closures look at bytes of this transaction right now.
    final var borrows = 0
    /// Grows with every write, so that cursors know when their position may have moved.
    final var generation: UInt64 = 0
    /// The environment's transaction id: for a snapshot the last commit in it, for a write transaction its own.
    package final let id: UInt64

    init(environment: Environment, handle: TransactionHandle, thread: UInt, isWrite: Bool) {
        self.environment = environment
        self.handle = handle
        self.thread = thread
        self.isWrite = isWrite
        id = LMDBCalls.id(handle)
    }

    deinit {
        guard isOpen else { return }
        if isWrite {
            LMDBCalls.abort(handle)
            environment.gate.leaveWrite(thread)
        } else {
            end()
        }
    }

    /// Ends a snapshot begun with `beginRead()`; a second call does nothing. On a write transaction it does nothing.
    package final func end() {
        guard isOpen, !(isWrite) else { return }
        isOpen = false
        LMDBCalls.reset(handle)
        environment.gate.leaveRead(thread, returning: handle)
    }

    /// The value at a key, copied; nil when there is none.
    package final func get(_ table: Table, key: UnsafeRawBufferPointer) throws -> [UInt8]? {
        try unsafe withValue(table, key: key) { unsafe [UInt8]($0) }
    }

    /// The value at a key, copied; nil when there is none.
    package final func get(_ table: Table, key: [UInt8]) throws -> [UInt8]? {
        try unsafe key.withUnsafeBytes { try unsafe get(table, key: $0) }
    }

    /// Lends the value at a key, in LMDB's own memory, for the time of the closure; nil when there is none.
    package final func withValue<Result>(
        _ table: Table, key: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result? {
        try check("get", table)
        try unsafe checkKey(key, "get")
        var value = unsafe MDB_val()
        let code = unsafe LMDBCalls.get(handle, table.id, key: key, value: &value)
        if code == LMDBError.notFound { return nil }
        guard code == 0 else { throw failure(code, "get") }
        borrows += 1
        defer { borrows -= 1 }
        return try unsafe body(value.bytes)
    }

    /// Lends the value at a key, in LMDB's own memory, for the time of the closure; nil when there is none.
    package final func withValue<Result>(
        _ table: Table, key: [UInt8], _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result? {
        try unsafe key.withUnsafeBytes { try unsafe withValue(table, key: $0, body) }
    }

    /// Whether the table holds the key.
    package final func contains(_ table: Table, key: [UInt8]) throws -> Bool {
        try unsafe withValue(table, key: key) { _ in true } ?? false
    }

    /// Lends each entry in key order, from the first key at or after `start` (all when nil), until `body` says false.
    package final func forEach(
        _ table: Table, from start: [UInt8]? = nil,
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        let cursor = try cursor(table)
        var found = try start.map { try cursor.seek(atOrAfter: $0) } ?? cursor.first()
        while found, try unsafe cursor.withCurrent(body) {
            found = try cursor.next()
        }
    }

    /// A cursor over a table. It stands nowhere until it is told to move.
    package final func cursor(_ table: Table) throws -> Cursor {
        try check("open cursor", table)
        return try cursor(tableID: table.id)
    }

    final func cursor(tableID: UInt32) throws -> Cursor {
        let opened = LMDBCalls.openCursor(handle, tableID)
        guard let cursor = opened.handle else { throw failure(opened.code, "open cursor") }
        return Cursor(handle: cursor, transaction: self)
    }

    /// How many entries and pages the table has.
    package final func statistics(_ table: Table) throws -> TableStatistics {
        try check("statistics", table)
        return try statistics(tableID: table.id)
    }

    final func statistics(tableID: UInt32) throws -> TableStatistics {
        var raw = MDB_stat()
        let code = LMDBCalls.statistics(handle, tableID, &raw)
        guard code == 0 else { throw failure(code, "statistics") }
        return TableStatistics(
            pageBytes: Int(raw.ms_psize), depth: Int(raw.ms_depth), branchPages: raw.ms_branch_pages,
            leafPages: raw.ms_leaf_pages, overflowPages: raw.ms_overflow_pages, entries: raw.ms_entries)
    }

    // MARK: Checks before LMDB sees anything

    @inline(__always)
    final func check(_ operation: StaticString) throws {
        guard isOpen else { throw Misuse.transactionEnded(operation: "\(operation)") }
    }

    @inline(__always)
    final func check(_ operation: StaticString, _ table: Table) throws {
        guard isOpen else { throw Misuse.transactionEnded(operation: "\(operation)") }
        guard table.environment == environment.number else { throw Misuse.foreignTable(table.name) }
    }

    @inline(__always)
    final func checkKey(_ key: UnsafeRawBufferPointer, _ operation: StaticString) throws {
        guard key.count > 0 else { throw Misuse.emptyKey(operation: "\(operation)") }
        guard key.count <= Environment.maximumKeyBytes else {
            throw Misuse.keyTooLong(
                bytes: key.count, limit: Environment.maximumKeyBytes, operation: "\(operation)")
        }
    }

    final func failure(_ code: Int32, _ operation: String) -> LMDBError {
        LMDBError(code: code, operation: operation, path: environment.path)
    }
}
