import StepEvents
import StepLog
import StepReplay
import Testing

@testable import StepEngine

@Suite("The threads of an engine", .timeLimit(.minutes(1)))
struct WorkerPoolTests {
    /// Counts, and lets threads wait for a count.
    ///
    /// `@unchecked Sendable`: `monitor` guards `count`.
    private final class Counter: @unchecked Sendable {
        private let monitor = Monitor()
        private var count = 0

        func add() {
            monitor.withLock {
                count += 1
                monitor.broadcast()
            }
        }

        func wait(for wanted: Int) {
            monitor.withLock { while count < wanted { monitor.wait() } }
        }
    }

    @Test("Work that was taken together with something slow is done by another thread")
    func slowWork() async throws {
        let pool = WorkerPool(threads: 2, flushLimit: .milliseconds(1))
        defer { pool.stop() }
        let (holds, queued, done) = (Counter(), Counter(), Counter())
        // Both threads are held until all is queued, so that the first of them to come takes several at once.
        for _ in 0..<2 {
            pool.submit(
                .job {
                    holds.add()
                    queued.wait(for: 1)
                })
        }
        holds.wait(for: 2)
        try await withCheckedThrowingContinuation { (ended: CheckedContinuation<Void, any Error>) in
            pool.submit(
                .job {
                    done.wait(for: 15)
                    ended.resume()
                })
            for _ in 0..<15 { pool.submit(.job { done.add() }) }
            queued.add()
        }
    }
}
