import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Runs from start to result", .timeLimit(.minutes(5)))
struct FirstRunTests {
    @Test("Steps run in order and the result comes out", arguments: StoreForm.allCases)
    func order(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let flow = engine.client.workflow("greet", input: String.self) { context, step in
                let first = try await step.run("a") {
                    journal.note("a")
                    return "hello "
                }
                let second = try await step.run("b") {
                    journal.note("b")
                    return context.input
                }
                return first + second
            }
            try await engine.run()
            let run = try await flow.start("world", id: "k")
            #expect(try await run.result() == "hello world")
            #expect(journal.notes == ["a", "b"])
            #expect(try await run.status() == .succeeded)
            let kinds: [EventKind] = [
                .runStarted, .stepStarted, .stepSucceeded, .stepStarted, .stepSucceeded, .runSucceeded,
            ]
            #expect(try await engine.kinds(of: run.id) == kinds)
        }
    }

    @Test("A sleep ends when its time comes, not before", arguments: StoreForm.allCases)
    func sleep(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("nap", input: Int.self) { context, step in
                let begin = context.now
                try await step.sleep("rest", for: .seconds(3_600))
                return context.now.nanoseconds - begin.nanoseconds
            }
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.untilSleeping(run.id)
            engine.clock.advance(by: .seconds(3_599))
            #expect(try await run.status() == .waiting)
            engine.clock.advance(by: .seconds(1))
            #expect(try await run.result() == 3_600_000_000_000)
        }
    }

    @Test("A killed process's run goes on where its log ends", arguments: StoreForm.allCases)
    func kill(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let gate = Gate()
            func register() -> Workflow<String, String> {
                engine.client.workflow("greet", input: String.self) { context, step in
                    let first = try await step.run("a") { "\(journal.counting("a"))" }
                    let second = try await step.run("b") {
                        journal.note("b")
                        await gate.pass()
                        return context.input
                    }
                    return first + second
                }
            }
            let flow = register()
            try await engine.run()
            let run = try await flow.start("x", id: "k")
            try await gate.reached()
            try await engine.kill()
            gate.open()
            let again = register()
            try await engine.run()
            let found = try #require(try await again.run(id: "k"))
            #expect(found.id == run.id)
            #expect(try await found.result() == "1x")
            #expect(journal.notes == ["a", "b", "b"])
            let kinds: [EventKind] = [
                .runStarted, .stepStarted, .stepSucceeded, .stepStarted, .stepInterrupted, .stepStarted,
                .stepSucceeded, .runSucceeded,
            ]
            #expect(try await engine.kinds(of: run.id) == kinds)
        }
    }
}
