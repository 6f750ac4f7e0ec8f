import CrashWorkload
import Foundation
import StepCore
import StepKit
import StepLocks
import TestSupport
import Testing

extension CrashTests {
    /// A process that uses the engine of another one.
    @Suite struct OtherProcessTests {
        @Test("Another process starts, awaits and cancels runs of a worker")
        func webBesideWorker() async throws {
            let directory = try TemporaryDirectory("stepkit-web")
            let path = directory.appending("store")
            // Without the web process it would sleep for ten minutes.
            let own = Plan(name: "own", steps: [.sleep("s1", milliseconds: 600_000)])
            let asked = Plan(name: "asked", steps: [.work("s1", failures: 1), .work("s2", failures: 0)])
            let web = Locked<Task<UInt64, any Error>?>(nil)
            let life = try await offPool {
                try WorkerProcess.live(WorkerOrders(store: path, plans: [own])) { mark in
                    guard case .started = mark else { return }
                    let task = Task { try await Self.use(path, own, asked) }
                    web.withLock { $0 = task }
                }
            }
            #expect(try await web.withLock { $0 }?.value == asked.expected)
            // The worker itself waited for the run that was cancelled.
            #expect(life.end == .exited(WorkerLife.End.untyped.rawValue))
            #expect(life.marks.contains(.ended(plan: "asked", step: "s2", attempt: 1)))
        }

        private static func use(_ path: String, _ own: Plan, _ asked: Plan) async throws -> UInt64 {
            let client = try await Client(id: "web", driver: .lmdb(path: path, role: .client))
            let plans = PlanWorkflow.register(with: client, telling: MarkWriter(appendingTo: "/dev/null"))
            let result = try await plans.start(asked, id: asked.name).result()
            let sleeping = try #require(try await plans.run(id: own.name))
            try await sleeping.cancel(by: "web", reason: "the test is over")
            // Ended before the worker noticed, or lost with it.
            _ = try? await sleeping.status()
            await client.close()
            return result
        }
    }
}
