/// A mistake of the caller, found before LMDB saw anything of it.
package enum Misuse: Error, Equatable, Sendable {
    case emptyKey(operation: String)
    /// LMDB keys hold at most `limit` bytes.
    case keyTooLong(bytes: Int, limit: Int, operation: String)
    /// The transaction was committed or aborted, or the closure that lent it has returned.
    case transactionEnded(operation: String)
    /// A filling closure threw halfway, so the transaction can only be aborted.
    case transactionFailed
    /// A write while a closure still looks at bytes of the same transaction, which the write could move.
    case valueBorrowed(operation: String)
    /// The operation needs this thread to have no transaction open; it would wait for itself.
    case transactionOpenOnThread(operation: String)
    /// A write transaction ends on the thread that began it, because LMDB's write lock belongs to that thread.
    case wrongThread(operation: String)
    /// The table was opened in another environment.
    case foreignTable(String)
    case environmentClosed(path: String)
    case environmentReadOnly(path: String)
    /// The cursor stands on no entry.
    case cursorUnpositioned
    /// A map can't shrink below what it is now.
    case mapSizeTooSmall(requested: Int, current: Int)
}

extension Misuse: CustomStringConvertible {
    package var description: String {
        switch self {
        case .emptyKey(let operation): "\(operation): a key must hold at least one byte"
        case .keyTooLong(let bytes, let limit, let operation):
            "\(operation): the key holds \(bytes) bytes, the limit is \(limit)"
        case .transactionEnded(let operation): "\(operation): the transaction has ended; begin a new one"
        case .transactionFailed: "the transaction failed halfway through a value; abort it"
        case .valueBorrowed(let operation):
            "\(operation): a closure still reads bytes of this transaction; write after it has returned"
        case .transactionOpenOnThread(let operation):
            "\(operation): this thread has a transaction open; end it first"
        case .wrongThread(let operation): "\(operation): end a write transaction on the thread that began it"
        case .foreignTable(let name): "table \(name) belongs to another environment"
        case .environmentClosed(let path): "the environment in \(path) is closed"
        case .environmentReadOnly(let path): "the environment in \(path) was opened read-only"
        case .cursorUnpositioned: "the cursor stands on no entry; seek first"
        case .mapSizeTooSmall(let requested, let current):
            "a map of \(current) bytes can't become \(requested) bytes; ask for more than it has"
        }
    }
}
