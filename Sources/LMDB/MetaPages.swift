import Glibc

/// What the two meta pages at the start of a data file say, read before LMDB maps the file.
///
/// LMDB itself looks only at magic, version and a flag, and then trusts the rest; a file that is shorter than its meta
/// page says would end the process with a bus error at some later read.
struct MetaPages {
    let pageBytes: Int
    let lastPage: UInt64
    let transactionID: UInt64
    let mapSize: Int
    /// The list of free pages.
    let free: TreeRecord
    /// The directory of tables.
    let main: TreeRecord

    private static let magic: UInt32 = 0xBEEF_C0DE
    private static let version: UInt32 = 1
    private static let metaFlag: UInt16 = 0x08
    /// Half of the address range, so that no later sum or product overflows.
    private static let largestSize = UInt64(Int.max / 2)
    /// Page header and meta, as laid out on 64-bit machines by LMDB 0.9.
    private static let metaBytes = 152
    private static let smallestPage = 512
    private static let largestPage = 32768
    /// A writer in another process may write a meta page while it is read; then a second look is consistent.
    private static let looks = 3

    /// Reads and checks the file; throws `OpenRefusal` when LMDB must not map it.
    static func check(descriptor: Int32, path: String) throws -> MetaPages {
        for _ in 1..<looks {
            if let pages = try? checkOnce(descriptor: descriptor, path: path) { return pages }
        }
        return try checkOnce(descriptor: descriptor, path: path)
    }

    /// What a snapshot of one transaction begins with; nil when commits have replaced it since.
    static func of(transaction: UInt64, descriptor: Int32, path: String) throws -> MetaPages? {
        let first = try MetaPages(descriptor: descriptor, offset: 0, path: path)
        let second = try MetaPages(descriptor: descriptor, offset: first.pageBytes, path: path)
        guard let pages = [first, second].first(where: { $0.transactionID == transaction }) else { return nil }
        try pages.checkNumbers(path: path)
        try pages.checkLength(descriptor: descriptor, path: path)
        return pages
    }

    private static func checkOnce(descriptor: Int32, path: String) throws -> MetaPages {
        let first = try MetaPages(descriptor: descriptor, offset: 0, path: path)
        let second = try MetaPages(descriptor: descriptor, offset: first.pageBytes, path: path)
        guard first.pageBytes == second.pageBytes else {
            throw OpenRefusal.pageSizeMismatch(
                path: path, fileBytes: second.pageBytes, machineBytes: first.pageBytes)
        }
        guard first.pageBytes == Environment.machinePageSize else {
            throw OpenRefusal.pageSizeMismatch(
                path: path, fileBytes: first.pageBytes, machineBytes: Environment.machinePageSize)
        }
        // The same choice as LMDB makes; the other one may be of use to a person with a backup, not to us.
        let newest = second.transactionID > first.transactionID ? second : first
        try newest.checkNumbers(path: path)
        try newest.checkLength(descriptor: descriptor, path: path)
        return newest
    }

    private init(descriptor: Int32, offset: Int, path: String) throws {
        let bytes = try FileBytes(descriptor: descriptor, offset: offset, count: Self.metaBytes, path: path)
        func refuse(_ reason: String) -> OpenRefusal { .notAnEnvironment(path: path, reason: reason) }
        guard
            let flags = bytes.integer(UInt16.self, at: 10), let magic = bytes.integer(UInt32.self, at: 16),
            let version = bytes.integer(UInt32.self, at: 20), let mapSize = bytes.integer(UInt64.self, at: 32),
            let pageBytes = bytes.integer(UInt32.self, at: 40), let free = TreeRecord(bytes, at: 40),
            let main = TreeRecord(bytes, at: 88), let lastPage = bytes.integer(UInt64.self, at: 136),
            let transactionID = bytes.integer(UInt64.self, at: 144)
        else { throw refuse("the file ends within its first two pages") }
        guard magic == Self.magic, flags & Self.metaFlag != 0 else { throw refuse("its first pages are not LMDB's") }
        guard version == Self.version else {
            if version > Self.version, version < 1000 { throw OpenRefusal.versionTooNew(path: path, version: version) }
            throw refuse("its format number \(version) makes no sense")
        }
        guard pageBytes.nonzeroBitCount == 1, (Self.smallestPage...Self.largestPage).contains(Int(pageBytes)) else {
            throw refuse("its page size \(pageBytes) makes no sense")
        }
        self.pageBytes = Int(pageBytes)
        self.lastPage = lastPage
        self.transactionID = transactionID
        self.mapSize = Int(min(mapSize, Self.largestSize))
        self.free = free
        self.main = main
    }

    /// Numbers that LMDB would follow out of the file. Only the newest meta page need pass: when writing one failed,
    /// LMDB puts the old transaction id and size back, but not the old roots.
    private func checkNumbers(path: String) throws {
        guard lastPage >= 1, lastPage < Self.largestSize / UInt64(pageBytes), mapSize < Self.largestSize,
            transactionID < Self.largestSize
        else {
            throw OpenRefusal.notAnEnvironment(path: path, reason: "its sizes make no sense")
        }
        for root in [free.root, main.root] {
            guard let root, root < 2 || root > lastPage else { continue }
            throw OpenRefusal.notAnEnvironment(path: path, reason: "a root page lies outside the file")
        }
    }

    private func checkLength(descriptor: Int32, path: String) throws {
        var status = stat()
        // Asked after the meta pages were read: a writer elsewhere only makes the file longer.
        guard unsafe fstat(descriptor, &status) == 0 else {
            throw LMDBError(code: errno, operation: "look at", path: path)
        }
        let actual = Int(status.st_size)
        let expected = (Int(lastPage) + 1) * pageBytes
        guard actual < expected else { return }
        // LMDB doesn't write pages that were taken and given back within one transaction, so the file of a sound
        // environment may end before its last page, if all that is missing is free.
        let firstMissing = UInt64(actual / pageBytes)
        let free = FreePages(descriptor: descriptor, path: path, pageBytes: pageBytes, end: firstMissing)
        guard let freeRoot = self.free.root, firstMissing > 2,
            try free.count(root: freeRoot, in: firstMissing...lastPage) == lastPage - firstMissing + 1
        else {
            throw OpenRefusal.fileShorterThanMeta(path: path, expectedBytes: expected, actualBytes: actual)
        }
    }
}
