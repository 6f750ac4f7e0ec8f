import CLMDB

/// Walks through a table in key order, within one transaction.
///
/// Writes of the same transaction may move or remove entries under it. It then finds its place again by the key it
/// stood on: `next` and `previous` go on from there, whether that key still exists or not.
@safe package final class Cursor {
    private let handle: CursorHandle
    private let transaction: ReadTransaction
    private var currentKey = unsafe MDB_val()
    private var currentValue = unsafe MDB_val()
    private var place = Place.fresh
    private var generation: UInt64 = 0
    /// The key it stands on, kept in write transactions only: there a write may move LMDB's own copy.
    private var savedKey: [UInt8] = []

    init(handle: CursorHandle, transaction: ReadTransaction) {
        self.handle = handle
        self.transaction = transaction
        generation = transaction.generation
        if transaction.isWrite { savedKey.reserveCapacity(Environment.maximumKeyBytes) }
    }

    deinit {
        // Ending a write transaction frees its cursors; those of a snapshot must be closed in any case.
        if transaction.isOpen || !(transaction.isWrite) { LMDBCalls.closeCursor(handle) }
    }

    /// Moves to the first entry; false when the table is empty.
    package func first() throws -> Bool { try move(.first) }

    /// Moves to the last entry; false when the table is empty.
    package func seekLast() throws -> Bool { try move(.last) }

    /// Moves to the first entry whose key is at or after the given one; false when there is none.
    package func seek(atOrAfter key: UnsafeRawBufferPointer) throws -> Bool {
        try unsafe transaction.checkKey(key, "seek")
        return try unsafe move(.atOrAfter, to: key)
    }

    /// Moves to the first entry whose key is at or after the given one; false when there is none.
    package func seek(atOrAfter key: [UInt8]) throws -> Bool {
        try unsafe key.withUnsafeBytes { try unsafe seek(atOrAfter: $0) }
    }

    /// Moves to the entry with this key; false when there is none.
    package func seek(exactly key: [UInt8]) throws -> Bool {
        try unsafe key.withUnsafeBytes { key in
            try unsafe transaction.checkKey(key, "seek")
            return try unsafe move(.exactly, to: key)
        }
    }

    /// Moves to the last entry whose key is before the given one; false when there is none.
    package func seek(before key: [UInt8]) throws -> Bool {
        try seek(atOrAfter: key) ? previous() : seekLast()
    }

    /// Moves to the next entry; false, and standing nowhere, after the last. A cursor not moved yet
    /// goes to the first.
    package func next() throws -> Bool {
        guard place == .onEntry else { return try place == .fresh && first() }
        guard try isMoved() else { return try move(.next) }
        let found = try restore()
        return found == .same ? try move(.next) : found == .later
    }

    /// Moves to the previous entry; false, and standing nowhere, before the first. A cursor not moved
    /// yet goes to the last.
    package func previous() throws -> Bool {
        guard place == .onEntry else { return try place == .fresh && seekLast() }
        guard try isMoved() else { return try move(.previous) }
        return try restore() == .none ? seekLast() : move(.previous)
    }

    /// The key it stands on, copied.
    package var key: [UInt8] {
        get throws { try unsafe withCurrent { key, _ in unsafe [UInt8](key) } }
    }

    /// The value it stands on, copied.
    package var value: [UInt8] {
        get throws { try unsafe withCurrent { _, value in unsafe [UInt8](value) } }
    }

    /// Lends key and value, in LMDB's own memory, for the time of the closure.
    package func withCurrent<Result>(
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        try transaction.check("read cursor")
        guard place == .onEntry else { throw Misuse.cursorUnpositioned }
        if try isMoved() {
            let key = savedKey
            guard try seek(exactly: key) else {
                // The entry is gone, but its place still counts for `next` and `previous`.
                place = .onEntry
                generation = transaction.generation &- 1
                throw Misuse.cursorUnpositioned
            }
        }
        transaction.borrows += 1
        defer { transaction.borrows -= 1 }
        return try unsafe body(currentKey.bytes, currentValue.bytes)
    }

    private enum Place { case fresh, onEntry, pastEnd }
    private enum Found { case same, later, none }

    private func isMoved() throws -> Bool {
        try transaction.check("move cursor")
        return generation != transaction.generation
    }

    /// Goes back to where it stood before the transaction wrote.
    private func restore() throws -> Found {
        let old = savedKey
        guard try seek(atOrAfter: old) else { return .none }
        return savedKey == old ? .same : .later
    }

    private func move(_ movement: CursorMove) throws -> Bool {
        try unsafe move(movement, to: UnsafeRawBufferPointer(start: nil, count: 0))
    }

    private func move(_ movement: CursorMove, to target: UnsafeRawBufferPointer) throws -> Bool {
        try transaction.check("move cursor")
        unsafe currentKey = unsafe MDB_val(target)
        let code = unsafe LMDBCalls.move(handle, movement, key: &currentKey, value: &currentValue)
        generation = transaction.generation
        place = code == 0 ? .onEntry : .pastEnd
        if code == LMDBError.notFound { return false }
        guard code == 0 else { throw transaction.failure(code, "move cursor") }
        if transaction.isWrite {
            savedKey.removeAll(keepingCapacity: true)
            unsafe savedKey.append(contentsOf: currentKey.bytes)
        }
        return true
    }
}
