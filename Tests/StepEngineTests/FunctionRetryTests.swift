import StepCore
import StepEvents
import StepKit
import TestSupport
import Testing

@Suite("A workflow function that threw is called again", .timeLimit(.minutes(5)))
struct FunctionRetryTests {
    private struct Moody: Error {}

    @Test("Its next attempt keeps its time over a restart", arguments: StoreForm.allCases)
    func keepsItsTime(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            func register() -> Workflow<Int, Int> {
                engine.client.workflow(
                    "moody", input: Int.self, options: WorkflowOptions(retry: .fixed(delay: .hours(1), jitter: 0))
                ) { context, step in
                    let charged = try await step.run("charge") {
                        journal.note("charge")
                        return context.input
                    }
                    journal.note("called")
                    if journal.notes.filter({ $0 == "called" }).count == 1 { throw Moody() }
                    return charged
                }
            }
            let flow = register()
            try await engine.run()
            let id = try await flow.start(7, id: "k").id
            try await engine.until(id, "the failed attempt") { $0.retryAt != nil }
            try await engine.restart(downtime: .minutes(10))
            let again = register()
            try await engine.run()
            // A run of its own shows that the engine has recovered and works.
            let other = engine.client.workflow("other", input: Int.self) { context, step in
                try await step.run("echo") { context.input }
            }
            #expect(try await other.start(1).result() == 1)
            engine.clock.advance(by: .minutes(49))
            #expect(try await other.start(2).result() == 2)
            #expect(journal.notes == ["charge", "called"])
            #expect(try await engine.state(of: id)?.status == .waiting)
            engine.clock.advance(by: .minutes(2))
            let run = try #require(try await again.run(id: "k"))
            #expect(try await run.result() == 7)
            #expect(journal.notes == ["charge", "called", "called"])
        }
    }

    @Test("Its next attempt keeps its time although a child of the failed one ends", arguments: StoreForm.allCases)
    func childOfTheFailedAttempt(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let child = engine.client.workflow("child", input: Int.self) { context, step in
                try await step.waitForSignal("go", signal: "go", as: Int.self) ?? 0
            }
            let parent = engine.client.workflow(
                "parent", input: Int.self,
                options: WorkflowOptions(retry: .fixed(maxAttempts: 3, delay: .hours(1), jitter: 0))
            ) { context, step in
                let calls = journal.counting("called")
                async let output = step.invoke("child", child, 1)
                try await step.run("mark") {}
                if calls == 1 { throw Moody() }
                return try await output
            }
            try await engine.run()
            let run = try await parent.start(1)
            try await engine.until(run.id, "the failed attempt") { $0.retryAt != nil }
            let first = try #require(
                try await engine.history(of: run.id).compactMap { event -> RunID? in
                    if case .invokeStarted(let body) = event.body { body.child } else { nil }
                }.first)
            try await engine.until(first, "the child's end") { $0.status == .cancelled }
            // Runs of their own show that the engine has had the time to do what it must not.
            let probe = engine.client.workflow("probe", input: Int.self) { _, step in try await step.run("p") { 1 } }
            for _ in 0..<3 { _ = try await probe.start(1).result() }
            #expect(journal.count("called") == 1)
            engine.clock.advance(by: .minutes(61))
            try await engine.until(run.id, "the next attempt's child") { $0.retryAt == nil && !$0.open.isEmpty }
            let second = try #require(
                try await engine.history(of: run.id).compactMap { event -> RunID? in
                    if case .invokeStarted(let body) = event.body { body.child } else { nil }
                }.last)
            #expect(second != first)
            try await engine.untilWaiting(second, for: "go")
            #expect(try await engine.client.signal("go", 5) == second)
            #expect(try await run.result() == 5)
            #expect(journal.count("called") == 2)
        }
    }

    @Test("A cancellation does not wait for it", arguments: StoreForm.allCases)
    func cancelled(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow(
                "moody", input: Int.self, options: WorkflowOptions(retry: .fixed(delay: .hours(1)))
            ) { _, _ -> Int in throw Moody() }
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.until(run.id, "the failed attempt") { $0.retryAt != nil }
            let failure = try #require(try await engine.state(of: run.id)?.failure)
            #expect(failure.site.contains("FunctionRetryTests.swift:"), "where the workflow was registered")
            try await run.cancel()
            await #expect(throws: RunCancelledError.self) { _ = try await run.result() }
            try await run.cancel()
        }
    }
}
