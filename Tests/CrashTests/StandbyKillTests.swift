import CrashWorkload
import Foundation
import StepEngine
import StepEvents
import StepLog
import Synchronization
import TestSupport
import Testing

extension CrashTests {
    /// An engine that waits for the store of another process, which dies.
    @Suite struct StandbyKillTests {
        @Test("Whoever stands by takes over when the holder is killed, with all that was acknowledged")
        func takesOver() async throws {
            let directory = try TemporaryDirectory("stepkit-standby")
            let path = directory.appending("store")
            let plan = Plan(
                name: "r0", steps: [.work("s1", failures: 0), .sleep("s2", milliseconds: 600_000)])
            let orders = WorkerOrders(store: path, plans: [plan])
            let refusal = Mutex<StoreError?>(nil)
            let (results, feed) = AsyncStream.makeStream(of: Result<EventStore, StoreError>.self)
            let life = try WorkerProcess.live(orders, death: .sinceReady(microseconds: 20_000)) { mark in
                guard mark == .ready else { return }
                do throws(StoreError) {
                    try EventStore.openLMDB(directory: path).close()
                } catch {
                    refusal.withLock { $0 = error }
                }
                EngineThread.start {
                    var options = StoreOptions()
                    options.standby = Standby()
                    do throws(StoreError) {
                        feed.yield(.success(try EventStore.openLMDB(directory: path, options: options)))
                    } catch {
                        feed.yield(.failure(error))
                    }
                    feed.finish()
                }
            }
            #expect(life.end == .signalled(SIGKILL))
            guard case .inUse(let holder?)? = refusal.withLock({ $0 })?.code else {
                Issue.record("\(String(describing: refusal.withLock { $0 }))")
                return
            }
            #expect(holder != getpid())
            for await result in results {
                let store = try result.get()
                try store.requireSound()
                let runs = try store.read { try $0.lastRun() }
                let wasStarted = life.marks.contains { if case .started = $0 { true } else { false } }
                #expect(runs == RunNumber(1) || !wasStarted)
                store.close()
            }
        }
    }
}
