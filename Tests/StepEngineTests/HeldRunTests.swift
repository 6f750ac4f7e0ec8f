import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Runs that the code does not fit", .timeLimit(.minutes(5)))
struct HeldRunTests {
    private func original(_ client: Client) -> Workflow<Int, Int> {
        client.workflow("change", input: Int.self) { _, step in
            let value = try await step.run("a") { 1 }
            return value + (try await step.waitForSignal("b", signal: "s", as: Int.self) ?? 0)
        }
    }

    private func changed(_ client: Client) -> Workflow<Int, Int> {
        client.workflow("change", input: Int.self) { _, step in
            try await step.sleep("a", for: .seconds(1))
            return 0
        }
    }

    /// A run that waits, under code that takes its first step for another kind.
    private func hold(_ engine: TestEngine) async throws -> RunID {
        let flow = original(engine.client)
        try await engine.run()
        let run = try await flow.start(1)
        try await engine.untilWaiting(run.id, for: "s")
        try await engine.restart()
        _ = changed(engine.client)
        try await engine.run()
        try await engine.until(run.id, "held") { $0.status == .held }
        return run.id
    }

    @Test("Divergence holds the run, names both sides, and loses nothing", arguments: StoreForm.allCases)
    func divergence(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let id = try await hold(engine)
            let failure = try #require(try await engine.state(of: id)?.failure)
            #expect(failure.type == "StepCore.DivergenceError")
            for part in ["step.run", "step.sleep", "HeldRunTests.swift"] { #expect(failure.message.contains(part)) }
            try await engine.restart()
            let fixed = original(engine.client)
            try await engine.run()
            #expect(try await engine.client.signal("s", 5) == id)
            #expect(try await fixed.run(id).result() == 6)
        }
    }

    @Test(
        "A signal for a held run does not wait for ever, and the next engine's code gets its turn",
        arguments: StoreForm.allCases)
    func signal(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let id = try await hold(engine)
            #expect(try await engine.client.signal("s", 5) == id)
            #expect(try await engine.client.signal("s", 6) == nil, "one is queued for it already")
            #expect(try await engine.state(of: id)?.status == .held)
            // Nothing is tried over and over.
            let count = try await engine.kinds(of: id).count
            let probe = engine.client.workflow("probe", input: Int.self) { _, step in try await step.run("p") { 1 } }
            for _ in 0..<20 { _ = try await probe.start(1).result() }
            #expect(try await engine.kinds(of: id).count <= count + 3)
            try await engine.kill()
            let fixed = original(engine.client)
            try await engine.run()
            #expect(try await fixed.run(id).result() == 6)
        }
    }

    @Test("A queued signal of the wrong shape is rejected when the code comes", arguments: StoreForm.allCases)
    func wrongShape(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let id = try await hold(engine)
            #expect(try await engine.client.signal("s", "five") == id)
            #expect(try await engine.client.signal("s", 7, ifNobodyWaits: .keep(for: .seconds(1_000))) == nil)
            try await engine.restart()
            let fixed = original(engine.client)
            try await engine.run()
            #expect(try await fixed.run(id).result() == 8, "the kept one is next")
            #expect(try await engine.kinds(of: id).contains(.signalRejected))
        }
    }

    @Test("A held run with a queued signal can be cancelled", arguments: StoreForm.allCases)
    func cancelled(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let id = try await hold(engine)
            #expect(try await engine.client.signal("s", 5, idempotencyKey: "k") == id)
            #expect(try await engine.client.signal("s", 5, idempotencyKey: "k") == id)
            try await engine.client.cancel(id)
            #expect(try await engine.state(of: id)?.status == .cancelled)
            #expect(try await engine.client.signal("s", 5) == nil)
        }
    }

    @Test("Steps may be added, removed and reordered under live runs", arguments: StoreForm.allCases)
    func compatible(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let flow = engine.client.workflow("change", input: Int.self) { _, step in
                for id in ["a", "b", "c"] { try await step.run(id) { journal.note(id) } }
                try await step.sleep("nap", for: .seconds(10))
            }
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.untilSleeping(run.id)
            try await engine.restart(downtime: .seconds(20))
            let changed = engine.client.workflow("change", input: Int.self) { _, step in
                for id in ["c", "new", "a"] { try await step.run(id) { journal.note(id) } }
                try await step.sleep("nap", for: .seconds(10))
            }
            try await engine.run()
            _ = try await changed.run(run.id).result()
            #expect(journal.notes == ["a", "b", "c", "new"])
            #expect(engine.logs.messages.contains { $0.contains("another order than recorded") })
            #expect(engine.logs.messages.contains { $0.contains("without asking for steps") })
        }
    }

    @Test("A strict workflow is held when its order changes", arguments: StoreForm.allCases)
    func strict(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            func register(_ ids: [String]) -> Workflow<Int, NoOutput> {
                engine.client.workflow("change", input: Int.self, options: WorkflowOptions(ordering: .strict)) {
                    _, step in
                    for id in ids { try await step.run(id) {} }
                    try await step.sleep("nap", for: .seconds(10))
                    return NoOutput()
                }
            }
            let flow = register(["a", "b"])
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.untilSleeping(run.id)
            try await engine.restart()
            _ = register(["b", "a"])
            try await engine.run()
            try await engine.until(run.id, "held") { $0.status == .held }
            try await engine.restart(downtime: .seconds(20))
            let fixed = register(["a", "b"])
            try await engine.run()
            _ = try await fixed.run(run.id).result()
        }
    }
}
