import DequeModule
import StepLog
import StepReplay

/// The threads that drain instances and read the store. Reads may wait for the disk and drains run user code between
/// steps, so neither may sit on Swift's cooperative pool.
///
/// `@unchecked Sendable`: `monitor` guards `queue`, `idle` and `isStopped`; the rest never changes.
final class WorkerPool: @unchecked Sendable {
    enum Work: Sendable {
        case drain(WorkflowInstance)
        case job(@Sendable () -> Void)
    }

    private let monitor = Monitor()
    private let watch: FlushWatch
    private let threads: Int
    private var queue: Deque<Work> = []
    private var idle = 0
    private var isStopped = false

    /// How much one thread takes at a time: enough that threads seldom meet at the lock, little enough that work is
    /// not left behind a slow drain while another thread has none.
    private static let share = 8

    /// - Parameters:
    ///   - threads: how many.
    ///   - flushLimit: how long an instance may be drained before it is flushed; `nil` leaves that to ``flushAll()``.
    init(threads: Int, flushLimit: Duration?) {
        self.threads = max(1, threads)
        watch = FlushWatch(places: self.threads, limit: flushLimit)
        watch.start { [weak self] in self?.giveBack($0) }
        for place in watch.places { EngineThread.start { [self] in work(at: place) } }
    }

    func submit(_ work: Work) {
        let isLate = monitor.withLock {
            guard !isStopped else { return true }
            queue.append(work)
            if idle > 0 { monitor.signal() }
            return false
        }
        // The threads are gone, but who asks for something must be told that it can't be had.
        if isLate, case .job(let body) = work { EngineThread.start(body) }
    }

    func submit(_ instances: [WorkflowInstance]) {
        guard !instances.isEmpty else { return }
        monitor.withLock {
            for instance in instances { queue.append(.drain(instance)) }
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
    var isBusy: Bool { monitor.withLock { !queue.isEmpty || idle < threads } }

    /// Has every instance that is being drained flushed, however long that has taken so far.
    func flushAll() { giveBack(watch.flushAll()) }

    /// Queues, before all else, what a thread took and does not come to.
    private func giveBack(_ work: Deque<Work>) {
        guard !work.isEmpty else { return }
        monitor.withLock {
            queue.prepend(contentsOf: work)
            if idle > 0 { monitor.broadcast() }
        }
    }

    func stop() {
        watch.stop()
        monitor.withLock {
            isStopped = true
            monitor.broadcast()
        }
    }

    private func work(at place: FlushWatch.Place) {
        while take(to: place) {
            while let work = place.next() { watch.perform(work, at: place) }
        }
    }

    /// Waits for work and takes some. Returns false once the pool was stopped and nothing is left.
    private func take(to place: FlushWatch.Place) -> Bool {
        monitor.withLock {
            while queue.isEmpty {
                if isStopped { return false }
                idle += 1
                monitor.wait()
                idle -= 1
            }
            let count = min(Self.share, max(1, queue.count / threads))
            place.take(queue.prefix(count))
            queue.removeFirst(count)
            return true
        }
    }
}
