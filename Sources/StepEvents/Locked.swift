package import Synchronization

/// A value behind a mutex.
///
/// `Mutex` itself, with one thing more: an atomic that is read after locking and written before unlocking. The thread
/// sanitizer does not see the standard library's lock and would report every value that it guards; it sees the
/// atomic. Elsewhere that costs two plain moves.
package struct Locked<Value>: ~Copyable, Sendable {
    @usableFromInline package let mutex: Mutex<Value>
    @usableFromInline package let order = Atomic<UInt8>(0)

    @inlinable
    package init(_ value: consuming sending Value) { mutex = Mutex(value) }

    // Always inlined: the hot paths of every module above pass through here, and unspecialized it costs more than
    // what it guards.
    @inlinable @inline(__always)
    package borrowing func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        try mutex.withLock { value throws(Failure) in
            _ = order.load(ordering: .acquiring)
            defer { order.store(0, ordering: .releasing) }
            return try body(&value)
        }
    }
}
