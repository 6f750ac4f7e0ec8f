import DequeModule
import StepEvents
import StepLocks
import StepLog
import StepReplay

/// The threads that drain instances and read the store. Reads may wait for the disk and drains run user code between
/// steps, so neither may sit on Swift's cooperative pool.
final class WorkerPool: Sendable {
    enum Work: Sendable {
        case drain(WorkflowInstance)
        case job(@Sendable () -> Void)
    }

    private struct State {
        var queue: Deque<Work> = []
        var idle = 0
        var stopped = false
    }

    private let monitor = Monitor()
    /// Guarded by `monitor`; the mutex is never contended and satisfies the compiler.
    private let state = Locked(State())

    private let threads: Int

    init(threads: Int) {
        self.threads = max(1, threads)
        for _ in 0..<self.threads { EngineThread.start { [self] in work() } }
    }

    func submit(_ work: Work) {
        let isLate = monitor.withLock {
            let (wakes, isLate) = state.withLock { state in
                if !state.stopped { state.queue.append(work) }
                return (state.idle > 0, state.stopped)
            }
            if wakes { monitor.signal() }
            return isLate
        }
        // The threads are gone, but who asks for something must be told that it can't be had.
        if isLate, case .job(let body) = work { EngineThread.start(body) }
    }

    func submit(_ instances: [WorkflowInstance]) {
        guard !instances.isEmpty else { return }
        monitor.withLock {
            let idle = state.withLock { state in
                for instance in instances { state.queue.append(.drain(instance)) }
                return state.idle
            }
            if idle > 0 { instances.count > 1 ? monitor.broadcast() : monitor.signal() }
        }
    }

    /// Runs something that may wait on one of the pool's threads.
    func perform<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            submit(.job { continuation.resume(with: Result { try body() }) })
        }
    }

    /// Whether work is queued or being done.
    var isBusy: Bool { state.withLock { !$0.queue.isEmpty || $0.idle < threads } }

    func stop() {
        monitor.withLock {
            state.withLock { $0.stopped = true }
            monitor.broadcast()
        }
    }

    private func work() {
        while true {
            monitor.lock()
            var next: Work?
            while true {
                let stopped = state.withLock { state in
                    next = state.queue.popFirst()
                    return state.stopped
                }
                if next != nil { break }
                if stopped {
                    monitor.unlock()
                    return
                }
                state.withLock { $0.idle += 1 }
                monitor.wait()
                state.withLock { $0.idle -= 1 }
            }
            monitor.unlock()
            switch next {
            case .drain(let instance): instance.drain()
            case .job(let body): body()
            case nil: break
            }
        }
    }
}
