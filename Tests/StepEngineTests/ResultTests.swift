import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Results and run handles", .timeLimit(.minutes(5)))
struct ResultTests {
    private func echo(_ client: Client) -> Workflow<String, String> {
        client.workflow("echo", input: String.self) { context, step in
            try await step.run("say") { context.input }
        }
    }

    @Test("A result is there after a restart, and after a kill", arguments: StoreForm.allCases)
    func later(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = echo(engine.client)
            try await engine.run()
            let run = try await flow.start("a", id: "k")
            #expect(try await run.result() == "a")
            try await engine.restart()
            // A finished run needs no engine that runs.
            #expect(try await echo(engine.client).run(run.id).result() == "a")
            try await engine.kill()
            let found = try #require(try await echo(engine.client).run(id: "k"))
            #expect(found.id == run.id)
            #expect(found.key == "k")
            #expect(try await found.result() == "a")
        }
    }

    @Test("Waiting without a running engine throws instead of hanging", arguments: StoreForm.allCases)
    func notRunning(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = echo(engine.client)
            let run = try await flow.start("a")
            await #expect(throws: EngineNotRunning.self) { _ = try await run.result() }
            await #expect(throws: EngineNotRunning.self) { try await run.cancel() }
            await #expect(throws: EngineNotRunning.self) { try await engine.client.signal("go", 1) }
            try await engine.run()
            try await engine.until(run.id) { $0.status.isFinal }
            #expect(try await run.result() == "a")
        }
    }

    @Test("Who waits when the engine shuts down is told", arguments: StoreForm.allCases)
    func shutDown(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("wait", input: Int.self) { _, step in
                _ = try await step.waitForSignal("go", signal: "go", as: Int.self)
            }
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.untilWaiting(run.id, for: "go")
            let result = Task { try await run.result() }
            try await engine.shutDown()
            await #expect(throws: EngineNotRunning.self) { _ = try await result.value }
            #expect(try await run.status() == .waiting)
        }
    }

    @Test("Cancelling who waits does not cancel the run", arguments: StoreForm.allCases)
    func cancelledWaiter(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let gate = Gate()
            let flow = engine.client.workflow("gated", input: Int.self) { context, step in
                try await step.run("wait") {
                    await gate.pass()
                    return context.input
                }
            }
            try await engine.run()
            let run = try await flow.start(7)
            try await gate.reached()
            let waiter = Task { try await run.result() }
            waiter.cancel()
            await #expect(throws: CancellationError.self) { _ = try await waiter.value }
            gate.open()
            #expect(try await run.result() == 7)
        }
    }

    @Test("Many may wait for one run", arguments: StoreForm.allCases)
    func many(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let gate = Gate()
            let flow = engine.client.workflow("gated", input: Int.self) { context, step in
                try await step.run("wait") {
                    await gate.pass()
                    return context.input
                }
            }
            try await engine.run()
            let run = try await flow.start(7)
            try await gate.reached()
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<20 { group.addTask { try await run.result() } }
                gate.open()
                for try await value in group { #expect(value == 7) }
            }
        }
    }

    @Test("Handles of runs that are not there", arguments: StoreForm.allCases)
    func unknown(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = echo(engine.client)
            let other = engine.client.workflow("other", input: Int.self) { _, _ in 1 }
            try await engine.run()
            let run = try await flow.start("a", id: "k")
            #expect(try await flow.run(id: "nobody") == nil)
            #expect(try await other.run(id: "k") == nil)
            await #expect(throws: RunNotFound.self) { _ = try await other.run(run.id) }
            let unknown = RunID(high: 1, low: 2)
            await #expect(throws: RunNotFound.self) { _ = try await flow.run(unknown) }
            await #expect(throws: RunNotFound.self) { try await engine.client.cancel(unknown) }
        }
    }

    @Test("An output that no longer decodes is a typed error, and the run stays", arguments: StoreForm.allCases)
    func otherOutput(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            try await engine.run()
            let run = try await echo(engine.client).start("a", id: "k")
            #expect(try await run.result() == "a")
            try await engine.restart()
            let changed = engine.client.workflow("echo", input: String.self) { _, _ in 1 }
            let found = try #require(try await changed.run(id: "k"))
            await #expect(throws: ResultDecodingError.self) { _ = try await found.result() }
            #expect(try await found.status() == .succeeded)
        }
    }

    @Test("Results, failures and cancellations after a restart are what they were", arguments: StoreForm.allCases)
    func endings(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            func register() -> Workflow<Int, Int> {
                engine.client.workflow("end", input: Int.self) { context, step in
                    if context.input == 1 {
                        try await step.run("fail", retry: .never) { throw Declined(code: 5) }
                    }
                    _ = try await step.waitForSignal("go", signal: "go", as: Int.self)
                    return 1
                }
            }
            let flow = register()
            try await engine.run()
            let failed = try await flow.start(1)
            let cancelled = try await flow.start(2)
            let recorded = try await failure(of: failed)
            #expect(recorded?.type == "StepCore.StepError")
            try await engine.untilWaiting(cancelled.id, for: "go")
            try await cancelled.cancel(by: "ops", reason: "test")
            await #expect(throws: RunCancelledError(runID: cancelled.id, by: "ops", reason: "test")) {
                _ = try await cancelled.result()
            }
            try await engine.restart()
            let again = register()
            #expect(try await failure(of: try await again.run(failed.id)) == recorded)
            await #expect(throws: RunCancelledError(runID: cancelled.id, by: "ops", reason: "test")) {
                _ = try await again.run(cancelled.id).result()
            }
        }
    }
}
