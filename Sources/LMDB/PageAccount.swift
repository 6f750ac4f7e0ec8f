/// Where the pages of an environment are. Each page is in a table or free, or LMDB has lost or shared one.
package struct PageAccount: Equatable, Sendable {
    /// Pages up to the last in use, the two meta pages included.
    package let total: Int
    /// Pages of all tables, of the directory of tables and of the list of free pages.
    package let inTables: Int
    package let free: Int

    /// Whether every page is accounted for exactly once. Damaged pages may claim any number.
    package var isBalanced: Bool { total == 2 &+ inTables &+ free }
}

extension Environment {
    /// Counts the pages of every table and of the free list; nil when commits kept coming while it counted.
    package func pageAccount() throws -> PageAccount? {
        // Against a live writer a few tries usually find a pause between two commits.
        for _ in 0..<8 {
            let account = try read { transaction in
                let before = try info
                let (inTables, free) = try transaction.countPages()
                let after = try info
                guard before.lastTransactionID == transaction.id, before.lastPage == after.lastPage else {
                    return PageAccount?.none
                }
                return PageAccount(total: before.lastPage + 1, inTables: inTables, free: free)
            }
            if let account { return account }
        }
        return nil
    }
}

extension ReadTransaction {
    private static let freeListID: UInt32 = 0
    private static let directoryID: UInt32 = 1
    /// LMDB's record of a table in the directory: padding, flags and depth, then three page counts, entries, root.
    private static let tableRecordBytes = 48

    fileprivate final func countPages() throws -> (inTables: Int, free: Int) {
        var used = try statistics(tableID: Self.freeListID).pages + statistics(tableID: Self.directoryID).pages
        let directory = try cursor(tableID: Self.directoryID)
        while try directory.next() {
            used &+= try unsafe directory.withCurrent { _, record in
                guard record.count == Self.tableRecordBytes else { return 0 }
                return [8, 16, 24].reduce(0) { sum, offset in
                    unsafe sum &+ record.loadUnaligned(fromByteOffset: offset, as: Int.self)
                }
            }
        }
        var free = 0
        let list = try cursor(tableID: Self.freeListID)
        while try list.next() {
            free &+= try unsafe list.withCurrent { _, pages in
                guard pages.count >= MemoryLayout<Int>.size else { return 0 }
                return unsafe pages.loadUnaligned(as: Int.self)
            }
        }
        return (used, free)
    }
}
