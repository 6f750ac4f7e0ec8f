/// Ordered key-value tables with one writer: the thin seam between the log's logic and what it is kept in.
///
/// Two forms: ``LMDBTables``, and ``MemoryTables``, which is the model that the other one is compared with.
package protocol Tables: AnyObject, Sendable {
    /// Begins the one transaction that changes anything; waits while another one is open. It stays on this thread.
    func beginWrite() throws(TablesError) -> any WriteTables
    /// Lends a snapshot of the last commit. Short: it keeps replaced pages from being reused.
    func read<T>(_ body: (any ReadTables) throws -> T) throws -> T
    var info: TablesInfo { get throws(TablesError) }
    /// Free pages inside what is in use; counting them takes a walk through a list.
    func reusableBytes() throws(TablesError) -> Int
    /// Sees that a transaction which adds at most so many bytes finds room, before it is begun. `isTight` says that
    /// little is left; otherwise only limits that no one can see coming are looked at.
    func reserve(bytes: Int, isTight: Bool) throws(TablesError)
    /// Makes room for more; no transaction of this process may be open on the calling thread.
    func grow(to bytes: Int) throws(TablesError)
    /// Frees what readers that died have held. Returns how many there were.
    @discardableResult func checkReaders() throws(TablesError) -> Int
    /// Processes that read a state more than `transactions` old, whose replaced pages can't be reused meanwhile.
    func laggingReaders(behind transactions: UInt64) throws(TablesError) -> [Int32]
    /// What whoever runs the store should know of where it is kept.
    var warnings: [String] { get }
    func close()
}

extension Tables {
    package func laggingReaders(behind transactions: UInt64) throws(TablesError) -> [Int32] { [] }
    package var warnings: [String] { [] }

    /// What to do about a full map: free what dead readers hold, and make the map larger, so that a transaction of
    /// `bytes` surely fits.
    func makeRoom(for bytes: Int) throws(TablesError) {
        try checkReaders()
        let map = try info.mapBytes
        try grow(to: max(map * 2, map + 4 * bytes + (4 << 20)))
    }
}

/// A snapshot. Bytes lent to a closure are valid inside it only.
package protocol ReadTables: AnyObject {
    /// The transaction id of the snapshot's last commit; inside a write transaction its own.
    var transactionID: UInt64 { get }
    func get(_ table: TableName, _ key: [UInt8]) throws(TablesError) -> [UInt8]?
    /// Lends entries in key order, from the first key at or after `start`, until `visit` returns false; with
    /// `reversed` in descending order from the last key at or before `start`.
    func scan(
        _ table: TableName, from start: [UInt8]?, reversed: Bool,
        _ visit: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Bool
    ) throws
    func count(_ table: TableName) throws(TablesError) -> Int
}

/// A write transaction; it sees its own changes. After an error it can only be aborted.
package protocol WriteTables: ReadTables {
    func put(_ table: TableName, _ key: [UInt8], _ value: [UInt8]) throws(TablesError)
    /// Adds an entry after the last key of the table; `fill` writes the value in place, every byte of it.
    func append(
        _ table: TableName, _ key: UnsafeRawBufferPointer, count: Int,
        _ fill: (UnsafeMutableRawBufferPointer) -> Void
    ) throws(TablesError)
    @discardableResult func delete(_ table: TableName, _ key: [UInt8]) throws(TablesError) -> Bool
    /// When it returns, the changes are durable.
    func commit() throws(TablesError)
    func rollBack()
}

/// What a form of tables says of itself.
package struct TablesInfo: Hashable, Sendable {
    package var lastTransactionID: UInt64
    /// Up to the last page in use.
    package var usedBytes: Int
    /// How much the map can hold.
    package var mapBytes: Int

    package init(lastTransactionID: UInt64, usedBytes: Int, mapBytes: Int) {
        self.lastTransactionID = lastTransactionID
        self.usedBytes = usedBytes
        self.mapBytes = mapBytes
    }
}

/// Why the tables refused something, by what there is to do about it.
package struct TablesError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        /// The map is full: grow it and repeat the transaction.
        case mapFull
        /// EINTR, ENOMEM, too many pages changed: the transaction is gone, nothing is harmed, a smaller one may pass.
        case transient
        /// ENOSPC, EDQUOT, EFBIG: nothing is harmed; goes on when there is room.
        case noSpace
        /// No room for another reader just now.
        case readersFull
        /// The stored bytes make no sense.
        case damaged
        case closed
        /// Anything else. After it the outcome of a commit is unknown.
        case fatal
    }

    package var kind: Kind
    package var detail: String

    package init(_ kind: Kind, _ detail: String) {
        self.kind = kind
        self.detail = detail
    }

    package var description: String { detail }
}
