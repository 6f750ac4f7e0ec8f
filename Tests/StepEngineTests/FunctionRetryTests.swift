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
}
