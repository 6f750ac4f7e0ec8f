import Glibc

/// Counts the open transactions of this process, so that what LMDB forbids beside them can wait until none is open:
/// moving the map and closing. It also keeps idle read transactions, which hold their reader slot, for the next reader.
///
/// Reading inside a read goes on while a change of the map waits; otherwise a thread would wait for itself.
@safe final class TransactionGate: @unchecked Sendable {
    // Everything below is touched only while `mutex` is locked.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var byThread: [UInt: Int] = [:]
    private var total = 0
    private var writer: UInt?
    private var waitingForIdle = 0
    private var isExclusive = false
    private var phase = Phase.open
    private var idle: [TransactionHandle] = []
    private var finish: (([TransactionHandle]) -> Void)?
    /// Whether `finish` has returned.
    private var isFinished = false
    private let path: String

    private enum Phase {
        case open, closing, closed
        /// The map was lost; nothing can be read any more.
        case broken(Int32)
    }

    /// Idle read transactions beyond this many are given up, so that their reader slots serve other processes.
    static let idleLimit = 32

    init(path: String) {
        self.path = path
        unsafe mutex.initialize(to: pthread_mutex_t())
        unsafe changed.initialize(to: pthread_cond_t())
        unsafe pthread_mutex_init(mutex, nil)
        unsafe pthread_cond_init(changed, nil)
    }

    deinit {
        unsafe pthread_cond_destroy(changed)
        unsafe pthread_mutex_destroy(mutex)
        unsafe changed.deallocate()
        unsafe mutex.deallocate()
    }

    static var thisThread: UInt { UInt(pthread_self()) }

    /// Counts a reader in, and lends an idle read transaction if there is one.
    func enterRead(_ thread: UInt) throws -> TransactionHandle? {
        lock()
        defer { unlock() }
        try waitForTurn(thread)
        byThread[thread, default: 0] += 1
        total += 1
        return idle.popLast()
    }

    /// Counts a reader out; `returning` is kept for the next one.
    func leaveRead(_ thread: UInt, returning handle: TransactionHandle?) {
        var surplus = handle
        lock()
        if let handle, case .open = phase, idle.count < Self.idleLimit {
            idle.append(handle)
            surplus = nil
        }
        if let surplus { LMDBCalls.abort(surplus) }
        leave(thread)
    }

    /// Counts a writer in, after the other writers of this process.
    func enterWrite(_ thread: UInt) throws {
        lock()
        defer { unlock() }
        guard writer != thread else { throw Misuse.transactionOpenOnThread(operation: "begin write") }
        repeat {
            try waitForTurn(thread)
            if writer != nil { wait() }
        } while writer != nil || isBlocked(thread)
        try refuseUnlessOpen()
        writer = thread
        byThread[thread, default: 0] += 1
        total += 1
    }

    func leaveWrite(_ thread: UInt) {
        lock()
        writer = nil
        leave(thread)
    }

    /// Runs `body` while no transaction of this process is open.
    func whenIdle<Result>(_ operation: String, _ body: () throws -> Result) throws -> Result {
        lock()
        do {
            guard byThread[Self.thisThread] == nil else { throw Misuse.transactionOpenOnThread(operation: operation) }
            waitingForIdle += 1
            defer { waitingForIdle -= 1 }
            while total > 0 || isExclusive { wait() }
            try refuseUnlessOpen()
            isExclusive = true
        } catch {
            unsafe pthread_cond_broadcast(changed)
            unlock()
            throw error
        }
        unlock()
        defer {
            lock()
            isExclusive = false
            unsafe pthread_cond_broadcast(changed)
            unlock()
        }
        return try body()
    }

    /// Refuses new transactions, waits for those of other threads, and has `finish` called once with the idle ones;
    /// it has returned when this returns. If this thread itself has one open, `finish` is called when that ends.
    func close(_ finish: @escaping ([TransactionHandle]) -> Void) {
        lock()
        switch phase {
        case .closing, .closed: break
        case .open, .broken:
            phase = .closing
            self.finish = finish
            unsafe pthread_cond_broadcast(changed)
        }
        while isExclusive || (total > 0 && byThread[Self.thisThread] == nil) { wait() }
        finishIfIdle()
        // The thread whose transaction was the last may be at it.
        lock()
        while !isFinished, byThread[Self.thisThread] == nil { wait() }
        unlock()
    }

    /// Refuses everything but closing from now on.
    func breakDown(_ code: Int32) {
        lock()
        // Whoever closes has been promised that the environment will be closed.
        if case .open = phase { phase = .broken(code) }
        unsafe pthread_cond_broadcast(changed)
        unlock()
    }

    // MARK: With the lock held

    private func isBlocked(_ thread: UInt) -> Bool {
        isExclusive || (waitingForIdle > 0 && byThread[thread] == nil)
    }

    private func waitForTurn(_ thread: UInt) throws {
        try refuseUnlessOpen()
        while isBlocked(thread) {
            wait()
            try refuseUnlessOpen()
        }
    }

    private func refuseUnlessOpen() throws {
        switch phase {
        case .open: return
        case .closing, .closed: throw Misuse.environmentClosed(path: path)
        case .broken(let code):
            // Not the code itself: it would say that trying again may help.
            let reason = LMDBCalls.describe(code)
            throw LMDBError(code: LMDBError.panic, operation: "use after the map was lost (\(reason))", path: path)
        }
    }

    /// Takes the lock held and gives it back.
    private func leave(_ thread: UInt) {
        total -= 1
        let left = byThread[thread, default: 1] - 1
        byThread[thread] = left > 0 ? left : nil
        unsafe pthread_cond_broadcast(changed)
        finishIfIdle()
    }

    /// Takes the lock held and gives it back.
    private func finishIfIdle() {
        guard case .closing = phase, total == 0, !isExclusive, let finish else { return unlock() }
        phase = .closed
        let handles = idle
        idle = []
        self.finish = nil
        unlock()
        finish(handles)
        lock()
        isFinished = true
        unsafe pthread_cond_broadcast(changed)
        unlock()
    }

    private func lock() { unsafe pthread_mutex_lock(mutex) }
    private func unlock() { unsafe pthread_mutex_unlock(mutex) }
    private func wait() { unsafe pthread_cond_wait(changed, mutex) }
}
