import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Closing a client", .timeLimit(.minutes(5)))
struct ClosingTests {
    @Test("Every call on a closed client throws, none hangs", arguments: StoreForm.allCases)
    func late(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("one", input: Int.self) { _, step in try await step.run("one") { 1 } }
            try await engine.run()
            let run = try await flow.start(1, id: "k")
            #expect(try await run.result() == 1)
            let client = engine.client
            try await engine.restart()
            await #expect(throws: EngineStopped.self) { _ = try await flow.start(1) }
            await #expect(throws: EngineStopped.self) { _ = try await flow.start(1, id: "k") }
            await #expect(throws: (any Error).self) { _ = try await run.result() }
            await #expect(throws: (any Error).self) { _ = try await run.status() }
            await #expect(throws: (any Error).self) { _ = try await flow.run(id: "k") }
            await #expect(throws: (any Error).self) { try await run.cancel() }
            await #expect(throws: (any Error).self) { try await client.signal("go", 1) }
            await #expect(throws: EngineStopped.self) { try await client.run() }
            await client.close()
        }
    }

    @Test("Closing while runs are executed ends the service; they go on next time", arguments: StoreForm.allCases)
    func whileRunning(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let gate = Gate()
            func register() -> Workflow<Int, Int> {
                engine.client.workflow("gated", input: Int.self) { context, step in
                    try await step.run("wait") {
                        try await gate.passOrCancel()
                        return context.input
                    }
                }
            }
            let flow = register()
            try await engine.run()
            let run = try await flow.start(7)
            try await gate.reached()
            await engine.client.close()
            try await engine.ended()
            try await engine.restart()
            gate.open()
            let again = register()
            try await engine.run()
            #expect(try await again.run(run.id).result() == 7)
            let kinds: [EventKind] = [
                .runStarted, .stepStarted, .stepInterrupted, .stepStarted, .stepSucceeded, .runSucceeded,
            ]
            #expect(try await engine.kinds(of: run.id) == kinds)
        }
    }

    @Test("withClient executes runs while its closure works")
    func scoped() async throws {
        let result = try await Client.withClient(id: "t", driver: .inMemory) { client in
            let flow = client.workflow("one", input: Int.self) { context, step in
                try await step.run("one") { context.input + 1 }
            }
            return try await flow.start(1).result()
        }
        #expect(result == 2)
    }
}
