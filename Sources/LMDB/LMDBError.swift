import Glibc

/// What LMDB or the system said about one operation on an environment.
///
/// `code` is a positive errno or one of LMDB's own negative codes; both come through unchanged, since what to do next
/// depends on which one it is.
package struct LMDBError: Error, Equatable, Sendable {
    package let code: Int32
    /// What was being done: "put", "commit", "open environment" …
    package let operation: String
    /// The directory of the environment, where it is known.
    package let path: String?

    package init(code: Int32, operation: String, path: String? = nil) {
        self.code = code
        self.operation = operation
        self.path = path
    }
}

extension LMDBError {
    package static let keyExists = LMDBCalls.Code.keyExists
    package static let notFound = LMDBCalls.Code.notFound
    package static let pageNotFound = LMDBCalls.Code.pageNotFound
    package static let corrupted = LMDBCalls.Code.corrupted
    package static let panic = LMDBCalls.Code.panic
    package static let versionMismatch = LMDBCalls.Code.versionMismatch
    package static let invalid = LMDBCalls.Code.invalid
    package static let mapFull = LMDBCalls.Code.mapFull
    package static let tablesFull = LMDBCalls.Code.tablesFull
    package static let readersFull = LMDBCalls.Code.readersFull
    package static let txnFull = LMDBCalls.Code.transactionFull
    package static let cursorFull = LMDBCalls.Code.cursorFull
    package static let pageFull = LMDBCalls.Code.pageFull
    package static let mapResized = LMDBCalls.Code.mapResized
    package static let incompatible = LMDBCalls.Code.incompatible
    package static let badReaderSlot = LMDBCalls.Code.badReaderSlot
    package static let badTransaction = LMDBCalls.Code.badTransaction
    package static let badValueSize = LMDBCalls.Code.badValueSize
    package static let badDatabaseID = LMDBCalls.Code.badDatabaseID

    package var isMapFull: Bool { code == Self.mapFull }
    package var isTxnFull: Bool { code == Self.txnFull }
    package var isMapResized: Bool { code == Self.mapResized }
    package var isReadersFull: Bool { code == Self.readersFull }
    package var isKeyExists: Bool { code == Self.keyExists }
    package var isNotFound: Bool { code == Self.notFound }
    package var isPanic: Bool { code == Self.panic }
    /// The bytes on disk make no sense to LMDB.
    package var isDamage: Bool { code == Self.corrupted || code == Self.pageNotFound || code == Self.invalid }
    package var isEIO: Bool { code == EIO }
    package var isInterrupted: Bool { code == EINTR }
    package var isOutOfMemory: Bool { code == ENOMEM }
    /// The disk, the quota or the file size limit is used up. LMDB aborts cleanly then; nothing stored is harmed.
    package var isNoSpace: Bool { code == ENOSPC || code == EDQUOT || code == EFBIG }
}

extension LMDBError: CustomStringConvertible {
    package var description: String {
        let place = path.map { " in \($0)" } ?? ""
        return "\(operation)\(place): \(LMDBCalls.describe(code)) (\(code))\(advice)"
    }

    private var advice: String {
        switch code {
        case Self.mapFull: "; grow the map and repeat the transaction"
        case EAGAIN:
            "; another process is opening or closing the environment, or two containers with separate process ids share"
                + " it: let them share one process id namespace"
        case Self.readersFull: "; end read transactions, or open with more readers"
        case Self.panic: "; close the environment and open it again"
        case EACCES: "; the files must belong to the user of this process and be writable for it"
        default: ""
        }
    }
}
