extension Environment {
    /// What a commit waits for.
    package enum Durability: Sendable {
        /// The data is flushed, then the meta page: what was committed survives power loss.
        case full
        /// Nothing is flushed: power loss corrupts the file. For tests that don't look at crashes.
        case noneForTestsOnly
    }

    /// How an environment is opened.
    package struct Options: Sendable {
        /// Bytes of address space, not of memory or disk. An environment that was grown beyond keeps what it has; if
        /// the system refuses this much (RLIMIT_AS), half is tried, and half of that.
        package var mapSize = 64 << 30
        /// Reader slots of all processes together. Only the first opener's number counts.
        package var maxReaders: UInt32 = 256
        package var maxTables: UInt32 = 32
        package var readOnly = false
        package var durability = Durability.full
        /// How many of the pages are looked at before LMDB follows them, given how many bytes are in use. A gigabyte
        /// takes one to two seconds.
        package var pageCheck: @Sendable (_ usedBytes: Int) -> PageCheckExtent = { _ in .everything }
        /// Answers what file system a directory lies on; nil asks the kernel.
        package var fileSystemType: (@Sendable (String) throws -> FileSystemType)?
        /// Waits before the n-th repetition (from 1) of an open that met another process opening or closing; nil
        /// waits 1 to 32 ms, differently in each process.
        package var delayBeforeRetry: (@Sendable (Int) -> Void)?
        /// Failures to inject, for tests.
        package var faults: LMDBFaults?

        package init() {}
    }

    /// How often an open that another process disturbs is repeated.
    static let openRetries = 5
}
