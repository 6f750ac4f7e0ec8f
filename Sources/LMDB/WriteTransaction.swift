import CLMDB
import Glibc

/// The one transaction that changes an environment. It also reads, and sees its own changes.
///
/// It belongs to the thread that began it, from beginning to end. After an error of `put`, `delete` or `clear` abort
/// it: LMDB refuses to commit half of a change.
package final class WriteTransaction: ReadTransaction {
    private var hasFailed = false

    /// Stores a value.
    package func put(
        _ table: Table, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, mode: PutMode = .overwrite
    ) throws {
        try beginChange("put", table)
        try unsafe checkKey(key, "put")
        generation &+= 1
        var value = unsafe MDB_val(value)
        let code = unsafe LMDBCalls.put(handle, table.id, key: key, value: &value, mode: mode, reserve: false)
        guard code == 0 else { throw failure(code, "put") }
    }

    /// Stores a value.
    package func put(_ table: Table, key: [UInt8], value: [UInt8], mode: PutMode = .overwrite) throws {
        try unsafe key.withUnsafeBytes { key in
            try unsafe value.withUnsafeBytes { try unsafe put(table, key: key, value: $0, mode: mode) }
        }
    }

    /// Stores a value that the closure writes straight into LMDB's page. Nothing is copied or allocated.
    ///
    /// The closure must write every byte: what it leaves out is whatever memory held before. If it throws, the bytes
    /// are wiped and the transaction can only be aborted.
    package func put(
        _ table: Table, key: UnsafeRawBufferPointer, valueCount: Int, mode: PutMode = .overwrite,
        _ fill: (UnsafeMutableRawBufferPointer) throws -> Void
    ) throws {
        try beginChange("put", table)
        try unsafe checkKey(key, "put")
        generation &+= 1
        var value = unsafe MDB_val(mv_size: valueCount, mv_data: nil)
        let code = unsafe LMDBCalls.put(handle, table.id, key: key, value: &value, mode: mode, reserve: true)
        guard code == 0 else { throw failure(code, "put") }
        let room = unsafe UnsafeMutableRawBufferPointer(start: value.mv_data, count: valueCount)
        borrows += 1
        defer { borrows -= 1 }
        do {
            try unsafe fill(room)
        } catch {
            unsafe room.initializeMemory(as: UInt8.self, repeating: 0)
            hasFailed = true
            throw error
        }
    }

    /// Removes a key; false when it was not there.
    package func delete(_ table: Table, key: UnsafeRawBufferPointer) throws -> Bool {
        try beginChange("delete", table)
        try unsafe checkKey(key, "delete")
        generation &+= 1
        let code = unsafe LMDBCalls.delete(handle, table.id, key: key)
        if code == LMDBError.notFound { return false }
        guard code == 0 else { throw failure(code, "delete") }
        return true
    }

    /// Removes a key; false when it was not there.
    package func delete(_ table: Table, key: [UInt8]) throws -> Bool {
        try unsafe key.withUnsafeBytes { try unsafe delete(table, key: $0) }
    }

    /// Removes every entry of a table.
    package func clear(_ table: Table) throws {
        try beginChange("clear", table)
        generation &+= 1
        let code = LMDBCalls.clear(handle, table.id)
        guard code == 0 else { throw failure(code, "clear") }
    }

    /// Opens a table, and creates it if asked to. A table created here exists when this transaction has committed;
    /// the value is no good if it aborts.
    package func table(_ name: String, create: Bool = true) throws -> Table {
        try beginChange("open table")
        return try environment.openTable(name, create: create, in: self)
    }

    /// Makes the changes durable, all or none. When it returns they are on disk (with full durability); when it
    /// throws, the transaction is over, and only `LMDBError.code` tells whether the outcome is known.
    package func commit() throws {
        try checkEnd("commit")
        guard borrows == 0 else { throw Misuse.valueBorrowed(operation: "commit") }
        guard !hasFailed else { throw Misuse.transactionFailed }
        isOpen = false
        let code = LMDBCalls.commit(handle)
        environment.gate.leaveWrite(thread)
        guard code == 0 else { throw failure(code, "commit") }
    }

    /// Drops the changes. After `commit` or `abort` it does nothing.
    package func abort() {
        guard isOpen, thread == TransactionGate.thisThread else { return }
        isOpen = false
        LMDBCalls.abort(handle)
        environment.gate.leaveWrite(thread)
    }

    private func checkEnd(_ operation: StaticString) throws {
        try check(operation)
        guard thread == TransactionGate.thisThread else { throw Misuse.wrongThread(operation: "\(operation)") }
    }

    @inline(__always)
    private func beginChange(_ operation: StaticString, _ table: Table) throws {
        try check(operation, table)
        guard borrows == 0 else { throw Misuse.valueBorrowed(operation: "\(operation)") }
    }

    private func beginChange(_ operation: StaticString) throws {
        try check(operation)
        guard borrows == 0 else { throw Misuse.valueBorrowed(operation: "\(operation)") }
    }
}
