import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Steps side by side", .timeLimit(.minutes(5)))
struct RaceTests {
    @Test("async let: bodies run at the same time", arguments: StoreForm.allCases)
    func asyncLet(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let gate = Gate()
            let flow = engine.client.workflow("both", input: Int.self) { _, step in
                async let first = step.run("first") { () -> Int in
                    await gate.pass()
                    return 1
                }
                async let second = step.run("second") { () -> Int in
                    await gate.pass()
                    return 2
                }
                return try await first * 10 + second
            }
            try await engine.run()
            let run = try await flow.start(1)
            try await gate.reached(2)
            gate.open()
            #expect(try await run.result() == 12)
        }
    }

    @Test("A task group of hundreds", arguments: StoreForm.allCases)
    func wide(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("wide", input: Int.self) { context, step in
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for number in 0..<context.input { group.addTask { try await step.run("\(number)") { number } } }
                    return try await group.reduce(0, +)
                }
            }
            try await engine.run()
            #expect(try await flow.start(300).result() == 300 * 299 / 2)
        }
    }

    /// A race of everything that can lose against a signal.
    private func race(_ client: Client, _ journal: Journal, _ gate: Gate) -> Workflow<Int, String> {
        let child = client.workflow("child", input: Int.self) { _, step in
            try await step.waitForSignal("child", signal: "child", as: Int.self)
        }
        return client.workflow("race", input: Int.self) { _, step in
            let winner = try await withThrowingTaskGroup(of: String.self) { group in
                group.addTask { try await step.waitForSignal("win", signal: "win", as: String.self) ?? "" }
                group.addTask {
                    try await step.sleep("slow", for: .seconds(1_000))
                    return "sleep"
                }
                group.addTask {
                    _ = try await step.waitForSignal("other", signal: "other", as: Int.self, timeout: .seconds(2_000))
                    return "other"
                }
                group.addTask {
                    try await step.run("body") {
                        do { try await gate.passOrCancel() } catch {
                            journal.note("body cancelled")
                            throw error
                        }
                        return "body"
                    }
                }
                group.addTask { "\(String(describing: try await step.invoke("invoke", child, 1)))" }
                group.addTask {
                    try await step.run("retried", retry: .fixed(maxAttempts: 3, delay: .seconds(500))) {
                        throw Declined(code: 1)
                    }
                }
                let winner = try await group.next() ?? "none"
                group.cancelAll()
                return winner
            }
            try await step.run("after") { journal.note("after \(winner)") }
            _ = try await step.waitForSignal("end", signal: "end", as: Int.self)
            return winner
        }
    }

    @Test("Losers are cancelled, recorded, and gone from the indexes", arguments: StoreForm.allCases)
    func losers(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let gate = Gate()
            let flow = race(engine.client, journal, gate)
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.until(run.id, "all six") { $0.open.count == 6 }
            try await engine.untilRetrying(run.id)
            try await engine.until("the child's wait") { try !$0.waiters(of: "child").isEmpty }
            try await gate.reached()
            #expect(try await engine.client.signal("win", "signal") == run.id)
            try await engine.untilWaiting(run.id, for: "end")
            #expect(try await engine.state(of: run.id)?.open.count == 1)
            let left = try await engine.read { snapshot in
                (try snapshot.timers(dueBefore: .distantFuture, limit: 100), try snapshot.waiters(of: "other"))
            }
            #expect(left.0.isEmpty)
            #expect(left.1.isEmpty)
            try await journal.until("body cancelled")
            try await engine.until("the child's end") { try $0.openRuns().count == 1 }
            let kinds = try await engine.kinds(of: run.id)
            #expect(kinds.count { $0 == .waitCancelled } == 3)
            #expect(kinds.count { $0 == .stepCancelled } == 2)
            #expect(try await engine.client.signal("other", 1) == nil)
            #expect(try await engine.client.signal("end", 1) == run.id)
            #expect(try await run.result() == "signal")
        }
    }

    @Test("A race replays with the same winner and restarts no loser", arguments: StoreForm.allCases)
    func replays(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let gate = Gate()
            let flow = race(engine.client, journal, gate)
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.until(run.id, "all six") { $0.open.count == 6 }
            try await gate.reached()
            #expect(try await engine.client.signal("win", "signal") == run.id)
            try await engine.untilWaiting(run.id, for: "end")
            let before = try await engine.kinds(of: run.id)
            try await engine.kill(downtime: .seconds(5_000))
            gate.open()
            let again = race(engine.client, journal, gate)
            try await engine.run()
            #expect(try await engine.client.signal("end", 1) == run.id)
            #expect(try await again.run(run.id).result() == "signal")
            #expect(journal.count("after signal") == 1)
            #expect(gate.arrivals == 1)
            #expect(try await engine.kinds(of: run.id) == before + [.waitResolved, .runSucceeded])
        }
    }

    @Test("Two branches that end together: the first wins, each time it is replayed", arguments: StoreForm.allCases)
    func together(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            func register() -> Workflow<Int, String> {
                engine.client.workflow("race", input: Int.self) { context, step in
                    let winner = try await withThrowingTaskGroup(of: String.self) { group in
                        for name in ["a", "b", "c"] {
                            group.addTask {
                                try await step.sleep(name, for: .seconds(10))
                                return name
                            }
                        }
                        let winner = try await group.next() ?? "none"
                        group.cancelAll()
                        return winner
                    }
                    journal.note("\(context.input) \(winner)")
                    _ = try await step.waitForSignal("end", signal: "end", as: Int.self)
                    return winner
                }
            }
            var flow = register()
            try await engine.run()
            var runs: [RunID] = []
            for number in 0..<10 {
                let run = try await flow.start(number)
                try await engine.until(run.id, "three sleeps") { $0.open.count == 3 }
                runs.append(run.id)
            }
            engine.clock.advance(by: .seconds(10))
            for run in runs { try await engine.untilWaiting(run, for: "end") }
            let winners = Set(journal.notes)
            #expect(winners.count == 10)
            for round in 2...3 {
                try await engine.kill()
                flow = register()
                try await engine.run()
                try await journal.until { $0.count == 10 * round }
            }
            #expect(Set(journal.notes) == winners)
        }
    }

    @Test("One branch's error cancels the others of its group", arguments: StoreForm.allCases)
    func error(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let flow = engine.client.workflow("group", input: Int.self) { _, step in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        do { try await step.sleep("long", for: .seconds(1_000)) } catch {
                            journal.note("\(error is CancellationError)")
                            throw error
                        }
                    }
                    group.addTask { try await step.run("fail", retry: .never) { throw Declined(code: 2) } }
                    for try await _ in group {}
                }
            }
            try await engine.run()
            let run = try await flow.start(1)
            #expect(try await failure(of: run)?.causes.first?.message == "declined with code 2")
            #expect(journal.notes == ["true"])
            #expect(try await engine.read { try $0.timers(dueBefore: .distantFuture, limit: 10).isEmpty })
        }
    }
}
