import Logging
import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Runs whose code is not here", .timeLimit(.minutes(5)))
struct RegistrationTests {
    private func flow(_ client: Client, version: Int = 1, accepts: ClosedRange<Int>? = nil) -> Workflow<Int, String> {
        client.workflow("work", input: Int.self, version: version, accepts: accepts) { context, step in
            let value = try await step.waitForSignal("w", signal: "s", as: Int.self) ?? -1
            return "started by \(context.version), ended by \(version): \(value)"
        }
    }

    @Test("A version that can't be recorded is refused", arguments: [-1, .min, .max, 1 << 32])
    func versions(version: Int) async throws {
        try await withEngine(.memory) { engine in
            let own = flow(engine.client, version: version)
            await #expect(throws: RegistrationError.self) { _ = try await own.start(1) }
            let range = engine.client.workflow("other", input: Int.self, accepts: min(0, version)...max(1, version)) {
                _, _ in 1
            }
            await #expect(throws: RegistrationError.self) { _ = try await range.start(1) }
            let parent = engine.client.workflow(
                "parent", input: Int.self, options: WorkflowOptions(retry: .never)
            ) { _, step in try await step.invoke("child", own, 1) }
            try await engine.run()
            let run = try await parent.start(1)
            #expect(try await failure(of: run)?.type == "StepCore.RegistrationError")
        }
    }

    private func waitingRun(_ engine: TestEngine, version: Int = 1) async throws -> RunID {
        let flow = flow(engine.client, version: version)
        try await engine.run()
        let run = try await flow.start(1)
        try await engine.untilWaiting(run.id, for: "s")
        return run.id
    }

    @Test(
        "They stay, others go on, a warning says so once, and they resume when registered",
        arguments: StoreForm.allCases)
    func unregistered(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let id = try await waitingRun(engine)
            try await engine.restart()
            try await engine.run()
            let other = engine.client.workflow("other", input: Int.self) { _, step in try await step.run("o") { 1 } }
            #expect(try await other.start(1).result() == 1)
            #expect(try await engine.client.signal("s", 1) == id, "it gets it when its code comes")
            #expect(try await engine.client.signal("s", 2) == nil)
            engine.clock.advance(by: .seconds(5))
            let warning = try #require(engine.logs.lines.first { $0.message.contains("have no code here") })
            #expect(warning.metadata["workflow"] == "work")
            #expect(warning.metadata["runs"] == "1")
            let flow = flow(engine.client)
            #expect(try await flow.run(id).result() == "started by 1, ended by 1: 1")
        }
    }

    @Test("A run is not lost whose code comes while its cancellation is written")
    func registeredDuringCancel() async throws {
        try await withEngine(.memory) { engine in
            let id = try await waitingRun(engine)
            try await engine.restart()
            try await engine.run()
            let (client, journal) = (engine.client, Journal())
            engine.memory.setDuringCommit { [self] in
                if journal.counting("commit") == 1 { _ = flow(client) }
            }
            try await client.cancel(id)
            engine.memory.setDuringCommit(nil)
            try await engine.until(id, "the end") { $0.status == .cancelled }
        }
    }

    @Test("A run of a workflow that nobody registered can wait from its start", arguments: StoreForm.allCases)
    func startedElsewhere(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let run = try await flow(engine.client).start(1)
            try await engine.restart()
            try await engine.run()
            let other = engine.client.workflow("other", input: Int.self) { _, step in try await step.run("o") { 1 } }
            #expect(try await other.start(1).result() == 1)
            let flow = flow(engine.client)
            try await engine.untilWaiting(run.id, for: "s")
            #expect(try await engine.client.signal("s", 2) == run.id)
            #expect(try await flow.run(run.id).result().hasSuffix(": 2"))
        }
    }

    @Test("Another version's runs stay, unless it is accepted", arguments: StoreForm.allCases)
    func versions(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let id = try await waitingRun(engine)
            try await engine.restart()
            let second = flow(engine.client, version: 2)
            try await engine.run()
            let own = try await second.start(1)
            try await engine.untilWaiting(own.id, for: "s")
            #expect(try await engine.client.signal("s", 7) == own.id, "the run that waits longer has no code here")
            #expect(try await own.result() == "started by 2, ended by 2: 7")
            try await engine.restart()
            let both = flow(engine.client, version: 2, accepts: 1...2)
            try await engine.run()
            #expect(try await engine.client.signal("s", 8) == id)
            #expect(try await both.run(id).result() == "started by 1, ended by 2: 8")
        }
    }

    @Test("What is due while the code is missing happens once it is there", arguments: StoreForm.allCases)
    func due(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            func register() -> Workflow<Int, Int> {
                engine.client.workflow("nap", input: Int.self) { _, step in
                    try await step.sleep("rest", for: .seconds(30))
                    return 1
                }
            }
            let first = register()
            try await engine.run()
            let run = try await first.start(1)
            try await engine.untilSleeping(run.id)
            try await engine.restart()
            try await engine.run()
            engine.clock.advance(by: .seconds(100))
            let other = engine.client.workflow("other", input: Int.self) { _, step in try await step.run("o") { 1 } }
            #expect(try await other.start(1).result() == 1)
            let flow = register()
            #expect(try await flow.run(run.id).result() == 1)
        }
    }
}
