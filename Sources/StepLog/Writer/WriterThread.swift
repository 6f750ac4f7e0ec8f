import Glibc

/// A thread of its own, with every signal blocked: LMDB's write lock belongs to a thread, and a handler that ran on it
/// could interrupt a flush.
enum WriterThread {
    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    static func start(_ run: @escaping @Sendable () -> Void) throws(StoreError) {
        var all = sigset_t()
        var old = sigset_t()
        sigfillset(&all)
        // Blocked before the thread exists, since it inherits the mask.
        pthread_sigmask(SIG_SETMASK, &all, &old)
        defer { pthread_sigmask(SIG_SETMASK, &old, nil) }
        let body = Unmanaged.passRetained(Body(run))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, body.toOpaque())
        guard code == 0 else {
            body.release()
            throw StoreError(.system, "the writer's thread can't be started: \(String(cString: strerror(code)))")
        }
        pthread_detach(thread)
    }

    static var current: UInt { UInt(pthread_self()) }

    /// Lets other threads run.
    static func yield() { sched_yield() }

    /// Leaves the processor to other threads for about 20 µs, and as long again for the timer to come back.
    static func rest() {
        var time = timespec(tv_sec: 0, tv_nsec: 20_000)
        nanosleep(&time, nil)
    }
}
