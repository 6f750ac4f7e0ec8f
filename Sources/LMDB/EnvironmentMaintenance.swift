import CLMDB
import Glibc

extension Environment {
    /// Sizes and counts of an environment.
    package struct Info: Equatable, Sendable {
        /// Bytes of address space; the file can't grow beyond.
        package let mapSize: Int
        /// The number of the last page in use; free pages below it count in.
        package let lastPage: Int
        package let pageBytes: Int
        package let lastTransactionID: UInt64
        package let readersInUse: Int
        package let maxReaders: Int

        /// Bytes up to the last page in use: what the map must hold.
        package var usedBytes: Int { (lastPage + 1) * pageBytes }
    }

    /// A reader slot of any process.
    package struct Reader: Equatable, Sendable {
        package let processID: Int32
        /// The snapshot it reads; nil while idle.
        package let transactionID: UInt64?

        package init(processID: Int32, transactionID: UInt64?) {
            self.processID = processID
            self.transactionID = transactionID
        }
    }

    /// Sizes and counts as of now. Throws `Misuse.environmentClosed` after closing.
    package var info: Info {
        get throws {
            let thread = TransactionGate.thisThread
            let idle = try gate.enterRead(thread)
            defer { gate.leaveRead(thread, returning: idle) }
            let (code, numbers) = LMDBCalls.numbers(handle)
            guard code == 0 else { throw failure(code, "info") }
            return Info(
                mapSize: numbers.mapSize, lastPage: numbers.lastPage, pageBytes: pageSize,
                lastTransactionID: numbers.lastTransactionID, readersInUse: numbers.readersInUse,
                maxReaders: numbers.maxReaders)
        }
    }

    /// Makes the map larger, after the transactions of this process have ended. Other processes notice by themselves.
    ///
    /// Throws `Misuse.transactionOpenOnThread` when this thread has one open, and `LMDBError` with ENOMEM, the map
    /// unchanged, when the address space is not to be had.
    package func grow(to mapSize: Int) throws {
        let size = Self.roundedMapSize(mapSize)
        try gate.whenIdle("grow") {
            let current = LMDBCalls.numbers(handle).numbers.mapSize
            guard size > current else { throw Misuse.mapSizeTooSmall(requested: mapSize, current: current) }
            try setMapSize(size, probing: size)
        }
    }

    /// Takes over the map size that another process has set.
    func adoptMapSize() throws {
        try gate.whenIdle("adopt the map size of another process") {
            // Size 0 means: what the newest meta page says.
            try setMapSize(0, probing: LMDBCalls.numbers(handle).numbers.mapSize)
        }
    }

    private func setMapSize(_ size: Int, probing: Int) throws {
        // LMDB gives up the old map before it asks for the new one and can't go back, so the address space is tried
        // beforehand, and if it fails all the same, nothing may touch the lost map.
        guard let descriptor = LMDBCalls.descriptor(handle),
            let probe = unsafe mmap(nil, probing, PROT_READ, MAP_SHARED, descriptor, 0), unsafe probe != MAP_FAILED
        else { throw failure(errno, "grow map") }
        unsafe munmap(probe, probing)
        let code = LMDBCalls.setMapSize(handle, size)
        guard code == 0 else {
            // EINVAL leaves the map alone.
            if code != EINVAL { gate.breakDown(code) }
            throw failure(code, "grow map")
        }
    }

    /// Frees the reader slots of processes that died; says how many. Call it at start and now and then: the pages
    /// a dead reader saw are not reused before.
    @discardableResult
    package func checkReaders() throws -> Int {
        try insideGate {
            var cleared: Int32 = 0
            let code = LMDBCalls.checkReaders(handle, cleared: &cleared)
            guard code == 0 else { throw failure(code, "check readers") }
            return Int(cleared)
        }
    }

    /// The reader slots of all processes, idle ones included.
    package func readers() throws -> [Reader] {
        try insideGate {
            let listed = LMDBCalls.readerLines(handle)
            guard listed.code == 0 else { throw failure(listed.code, "list readers") }
            return listed.lines.joined().split(separator: "\n").compactMap { line in
                // A line holds process id, thread and transaction id, or "-" for that; the heading holds no number.
                let words = line.split(separator: " ")
                guard words.count == 3, let process = Int32(words[0]) else { return nil }
                return Reader(processID: process, transactionID: UInt64(words[2]))
            }
        }
    }

    /// Writes a compact copy of the last commit to a file. It doesn't sync it, and holds a snapshot all the time.
    /// The copy's transaction ids begin anew.
    package func copy(toFileDescriptor descriptor: Int32) throws {
        try insideGate {
            let code = LMDBCalls.compactingCopy(handle, to: descriptor)
            guard code == 0 else { throw failure(code, "copy") }
        }
    }

    /// Flushes the data file, whatever the durability. Commits with full durability have done so already.
    package func sync() throws {
        try insideGate {
            let code = LMDBCalls.sync(handle)
            guard code == 0 else { throw failure(code, "sync") }
        }
    }

    private func insideGate<Result>(_ body: () throws -> Result) throws -> Result {
        let thread = TransactionGate.thisThread
        let idle = try gate.enterRead(thread)
        defer { gate.leaveRead(thread, returning: idle) }
        return try body()
    }

    package static var machinePageSize: Int { sysconf(Int32(_SC_PAGESIZE)) }

    static func roundedMapSize(_ size: Int) -> Int {
        let page = machinePageSize
        return max(page, (min(size, Int.max - page) + page - 1) / page * page)
    }
}
