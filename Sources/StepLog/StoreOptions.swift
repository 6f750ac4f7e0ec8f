/// How a store is opened.
package struct StoreOptions: Sendable {
    /// Who commits what was submitted.
    package enum WriterMode: Sendable {
        /// A thread of the store's own.
        case thread
        /// Nobody but callers of ``EventStore/commitPending()``: for simulations that decide when a commit happens.
        case manual
    }

    /// Free and total bytes of the file system that holds a directory.
    package struct Space: Hashable, Sendable {
        package var freeBytes: Int
        package var totalBytes: Int

        package init(freeBytes: Int, totalBytes: Int) {
            self.freeBytes = freeBytes
            self.totalBytes = totalBytes
        }
    }

    package var clock: any StoreClock = SystemStoreClock()
    /// Draws the number of a new life of a store; each must be another.
    package var makeIncarnation: @Sendable () -> UInt64 = SystemIncarnation.next
    package var writer: WriterMode = .thread
    /// Takes a store that is older than what was acknowledged as it is.
    package var acceptRollback = false
    /// Waits for a store that another engine has open, instead of refusing it.
    package var standby: Standby?
    /// Address space for the database; it grows when needed.
    package var mapBytes = 64 << 30
    /// What the store may use. Above 80 % it warns, above 90 % it refuses new runs, above 95 % all but completions.
    package var quotaBytes = 60 << 30
    /// Asks how much room the file system has; `nil` where that is not known. Injected, so that tests need no full
    /// disk.
    package var space: @Sendable (_ directory: String) -> Space? = SystemStoreClock.space(of:)
    /// How a directory's environment is opened; tests inject faults here.
    package var tables = LMDBTables.Settings()

    /// Puts something between the log and its tables; tests count and end there.
    package var around: (@Sendable (any Tables) -> any Tables)?

    package init() {}
}
