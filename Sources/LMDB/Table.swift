/// A named table of one environment: ordered byte keys, each with one byte value.
///
/// Open tables once, at start-up; the value is then good for every transaction until the environment closes. LMDB's
/// variants with several values to a key, native integer keys or comparison functions are not offered.
package struct Table: Sendable, Hashable {
    package let name: String
    let id: UInt32
    let environment: UInt64
}

/// What `put` does when the key is there already.
package enum PutMode: Sendable {
    case overwrite
    /// Throws `LMDBError` with `keyExists`.
    case noOverwrite
    /// For keys that only grow: fills pages to the brim. Throws `LMDBError` with `keyExists` when the key is not
    /// greater than the table's last.
    case append
}

/// The shape of one table.
package struct TableStatistics: Equatable, Sendable {
    package let pageBytes: Int
    package let depth: Int
    package let branchPages: Int
    package let leafPages: Int
    package let overflowPages: Int
    package let entries: Int

    package var pages: Int { branchPages &+ leafPages &+ overflowPages }
}
