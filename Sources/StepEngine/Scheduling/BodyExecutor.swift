import DequeModule
import StepLog

/// Runs the bodies of steps, on threads kept for them: what a body does between its waits never holds up the runs
/// themselves, nor the rest of the program on Swift's cooperative pool, and it comes to run sooner than there.
///
/// As many threads as the system has processors do, since what runs here is meant not to block; a body that blocks all
/// the same delays other bodies and nothing else.
///
/// `@unchecked Sendable`: `monitor` guards `jobs`, `idle` and `isStopped`.
final class BodyExecutor: TaskExecutor, @unchecked Sendable {
    private let monitor = Monitor()
    private var jobs: Deque<UnownedJob> = []
    private var idle = 0
    private var isStopped = false

    init(threads: Int) {
        for _ in 0..<max(1, threads) { EngineThread.start { [self] in work() } }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let isLate = monitor.withLock {
            guard !isStopped else { return true }
            jobs.append(job)
            if idle > 0 { monitor.signal() }
            return false
        }
        // A body that outlives its engine still has to come to its end somewhere.
        if isLate { globalConcurrentExecutor.enqueue(job) }
    }

    /// Lets the threads end once they have run what is queued.
    func stop() {
        monitor.withLock {
            isStopped = true
            monitor.broadcast()
        }
    }

    private func work() {
        while let job = next() { job.runSynchronously(on: asUnownedTaskExecutor()) }
    }

    private func next() -> UnownedJob? {
        monitor.withLock {
            while jobs.isEmpty {
                if isStopped { return nil }
                idle += 1
                monitor.wait()
                idle -= 1
            }
            return jobs.popFirst()
        }
    }
}
