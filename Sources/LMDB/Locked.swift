import Glibc

/// A value that one thread at a time looks at.
///
/// The standard library's `Mutex` waits by system calls of its own on Linux, which the thread sanitizer does not
/// understand: it reports every value behind one as a race. It does know pthread's.
@safe package final class Locked<Value>: @unchecked Sendable {
    // Touched only while `mutex` is locked.
    private var value: Value
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

    package init(_ value: sending Value) {
        self.value = value
        unsafe mutex.initialize(to: pthread_mutex_t())
        unsafe pthread_mutex_init(mutex, nil)
    }

    deinit {
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    package func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return try body(&value)
    }
}
