public import Synchronization

/// A value behind a mutex.
///
/// `Mutex` itself, with one thing more: an atomic that is read after locking and written before unlocking. The thread
/// sanitizer does not see the standard library's lock and would report every value that it guards; it sees the
/// atomic. Elsewhere that costs two plain moves.
///
/// Public and in a module of its own because only public functions are inlined across modules, and the hot paths of
/// every module above pass through here: unspecialized, the lock costs more than what it guards. No product exports
/// this module.
@frozen public struct Locked<Value>: ~Copyable, Sendable {
    @usableFromInline let mutex: Mutex<Value>
    @usableFromInline let order = Atomic<UInt8>(0)

    /// Guards a value.
    ///
    /// - Parameter value: the value.
    @inlinable
    public init(_ value: consuming sending Value) { mutex = Mutex(value) }

    /// Calls `body` with the value while no one else has it.
    ///
    /// - Parameter body: must be short, and must not lock again.
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws.
    @inlinable @inline(__always)
    public borrowing func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        try mutex.withLock { value throws(Failure) in
            _ = order.load(ordering: .acquiring)
            defer { order.store(0, ordering: .releasing) }
            return try body(&value)
        }
    }

    /// Calls `body` with the value unless someone else has it.
    ///
    /// - Parameter body: must be short, and must not lock again.
    /// - Returns: what `body` returns; `nil` where it was not called.
    /// - Throws: what `body` throws.
    @inlinable @discardableResult
    public borrowing func withLockIfAvailable<Result, Failure: Error>(
        _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result? {
        try mutex.withLockIfAvailable { value throws(Failure) in
            _ = order.load(ordering: .acquiring)
            defer { order.store(0, ordering: .releasing) }
            return try body(&value)
        }
    }
}
