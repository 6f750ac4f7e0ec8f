import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Races that record their winner", .timeLimit(.minutes(5)))
struct StepRaceTests {
    @Test("The first to end wins, the others are cancelled, and the record says who", arguments: StoreForm.allCases)
    func winner(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("race", input: Int.self) { _, step in
                try await step.race("decision") { step in
                    try await step.waitForSignal("answer", signal: "answer", as: String.self)
                } _: { step in
                    try await step.sleep("answer", for: .seconds(100))
                    return "late"
                }
            }
            try await engine.run()
            let slow = try await flow.start(1)
            try await engine.until(slow.id, "both branches") { $0.open.count == 2 }
            engine.clock.advance(by: .seconds(100))
            #expect(try await slow.result() == "late")
            let quick = try await flow.start(2)
            try await engine.untilWaiting(quick.id, for: "answer")
            #expect(try await engine.client.signal("answer", "yes") == quick.id)
            #expect(try await quick.result() == "yes")
            let kinds = try await engine.kinds(of: quick.id)
            #expect(kinds.count { $0 == .waitCancelled } == 1)
            #expect(kinds.count { $0 == .stepSucceeded } == 1)
            #expect(try await engine.read { try $0.timers(dueBefore: .distantFuture, limit: 10).isEmpty })
        }
    }

    @Test("A replay takes the recorded winner, although another branch ends first now", arguments: StoreForm.allCases)
    func decidedElsewhere(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            func register(_ first: Gate, _ second: Gate) -> Workflow<Int, String> {
                engine.client.workflow("race", input: Int.self) { _, step in
                    let winner = try await step.race("decision") { _ in
                        try await first.passOrCancel()
                        return "first"
                    } _: { _ in
                        try await second.passOrCancel()
                        return "second"
                    }
                    _ = try await step.waitForSignal("end", signal: "end", as: Int.self)
                    return winner
                }
            }
            let before = (Gate(), Gate())
            let flow = register(before.0, before.1)
            try await engine.run()
            let run = try await flow.start(1)
            try await before.1.reached()
            before.0.open()
            try await engine.untilWaiting(run.id, for: "end")
            try await engine.kill()
            let after = (Gate(), Gate())
            let again = register(after.0, after.1)
            try await engine.run()
            try await after.0.reached()
            after.1.open()
            after.0.open()
            #expect(try await engine.client.signal("end", 1) == run.id)
            #expect(try await again.run(run.id).result() == "first")
        }
    }

    @Test("A branch that throws first decides the race too", arguments: StoreForm.allCases)
    func error(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("race", input: Int.self) { _, step in
                do {
                    return try await step.race("decision") { step in
                        try await step.run("refuse", retry: .never) { throw Declined(code: 3) }
                        return "not reached"
                    } _: { step in
                        try await step.waitForSignal("answer", signal: "answer", as: String.self) ?? ""
                    }
                } catch let error as StepError {
                    return "\(error.step)"
                }
            }
            try await engine.run()
            #expect(try await flow.start(1).result() == "decision/0/refuse")
            #expect(try await engine.read { try $0.waiters(of: "answer").isEmpty })
        }
    }

    @Test("A cancelled race is cancelled in each branch", arguments: StoreForm.allCases)
    func cancelled(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("race", input: Int.self) { _, step in
                try await step.race("decision") { step in
                    try await step.waitForSignal("one", signal: "one", as: Int.self)
                } _: { step in
                    try await step.waitForSignal("two", signal: "two", as: Int.self)
                }
            }
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.until(run.id, "both branches") { $0.open.count == 2 }
            try await run.cancel(reason: "enough")
            await #expect(throws: RunCancelledError.self) { _ = try await run.result() }
            let kinds = try await engine.kinds(of: run.id)
            #expect(kinds.count { $0 == .waitCancelled } == 2)
            #expect(!kinds.contains(.stepStarted))
        }
    }

    @Test("A recorded winner that the code no longer has holds the run", arguments: StoreForm.allCases)
    func removedBranch(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            func register(_ branches: Int) -> Workflow<Int, Int> {
                engine.client.workflow("race", input: Int.self) { _, step in
                    let quick: @Sendable (Step) async throws -> Int = { step in
                        try await step.run("quick") { 1 }
                    }
                    let slow: @Sendable (Step) async throws -> Int = { step in
                        try await step.waitForSignal("never", signal: "never", as: Int.self) ?? 0
                    }
                    let winner =
                        branches == 2
                        ? try await step.race("decision", slow, quick) : try await step.race("decision", slow)
                    _ = try await step.waitForSignal("end", signal: "end", as: Int.self)
                    return winner
                }
            }
            let flow = register(2)
            try await engine.run()
            let run = try await flow.start(1).id
            try await engine.untilWaiting(run, for: "end")
            try await engine.restart()
            _ = register(1)
            try await engine.run()
            try await engine.until(run, "held") { $0.status == .held }
            let failure = try #require(try await engine.state(of: run)?.failure)
            #expect(failure.type == "StepCore.DivergenceError" && failure.message.contains("branch 1"))
        }
    }
}
