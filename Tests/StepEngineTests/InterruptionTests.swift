import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Bodies that the process's death interrupts", .timeLimit(.minutes(5)))
struct InterruptionTests {
    /// Starts a run whose body hangs, kills the process in the middle, and starts another.
    private func killInBody(
        _ engine: TestEngine, _ register: (Gate) -> Workflow<Int, String>
    ) async throws -> Run<String> {
        let gate = Gate()
        let flow = register(gate)
        try await engine.run()
        let run = try await flow.start(1)
        try await gate.reached()
        try await engine.kill()
        gate.open()
        let again = register(gate)
        try await engine.run()
        return try await again.run(run.id)
    }

    @Test("By default the body runs again", arguments: StoreForm.allCases)
    func retry(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let run = try await killInBody(engine) { gate in
                engine.client.workflow("w", input: Int.self) { _, step in
                    try await step.run("work") { context -> String in
                        await gate.pass()
                        return "attempt \(context.attempt)"
                    }
                }
            }
            #expect(try await run.result() == "attempt 2")
        }
    }

    @Test("At most once: the step fails", arguments: StoreForm.allCases)
    func fail(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let run = try await killInBody(engine) { gate in
                engine.client.workflow("w", input: Int.self) { _, step -> String in
                    do {
                        return try await step.run("work", onInterrupted: .fail) {
                            journal.note("body")
                            await gate.pass()
                            return "done"
                        }
                    } catch let error as StepError {
                        let original = error.original(as: StepInterruptedError.self)
                        return "interrupted \(original?.interruptions ?? 0) time, \(error.attempts) attempt"
                    }
                }
            }
            #expect(try await run.result() == "interrupted 1 time, 1 attempt")
            #expect(journal.count("body") == 1)
        }
    }

    @Test("A closure finds out", arguments: StoreForm.allCases, ["completed", "retry", "fail", "throws"])
    func inspect(form: StoreForm, verdict: String) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let run = try await killInBody(engine) { gate in
                engine.client.workflow("w", input: Int.self) { _, step -> String in
                    let inspection = InterruptionPolicy<String>.inspect { context in
                        journal.note("inspects \(context.attempt) \(StepContext.current?.stepID ?? "")")
                        switch verdict {
                        case "completed": return .completed("found out")
                        case "retry": return .retry
                        case "fail": return .fail
                        default: throw Declined(code: 3)
                        }
                    }
                    do {
                        return try await step.run("work", onInterrupted: inspection) { context in
                            journal.note("body \(context.attempt)")
                            await gate.pass()
                            return "body"
                        }
                    } catch let error as StepError {
                        return error.typeName
                    }
                }
            }
            let bodies = verdict == "retry" ? ["body 1", "inspects 1 work", "body 2"] : ["body 1", "inspects 1 work"]
            let results = [
                "completed": "found out", "retry": "body", "fail": "StepCore.StepInterruptedError",
                "throws": String(reflecting: Declined.self),
            ]
            #expect(try await run.result() == results[verdict])
            #expect(journal.notes == bodies)
        }
    }

    @Test("An inspection that the process's death cuts off is made again", arguments: StoreForm.allCases)
    func inspectionCutOff(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let body = Gate()
            let inspection = Gate()
            let journal = Journal()
            func register() -> Workflow<Int, Int> {
                engine.client.workflow("w", input: Int.self) { _, step in
                    try await step.run(
                        "work",
                        onInterrupted: .inspect { _ in
                            journal.note("inspects")
                            await inspection.pass()
                            return .completed(5)
                        }
                    ) {
                        journal.note("body")
                        await body.pass()
                        return 1
                    }
                }
            }
            let flow = register()
            try await engine.run()
            let run = try await flow.start(1)
            try await body.reached()
            try await engine.kill()
            _ = register()
            try await engine.run()
            try await inspection.reached()
            try await engine.kill()
            inspection.open()
            let again = register()
            try await engine.run()
            #expect(try await again.run(run.id).result() == 5)
            #expect(journal.notes == ["body", "inspects", "inspects"])
            body.open()
        }
    }

    @Test(
        "A step that kills the process fails after so many times; neighbours are unharmed",
        arguments: StoreForm.allCases)
    func poison(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.maxInterruptions = 3 }) { engine in
            let journal = Journal()
            let poison = Gate()
            let innocent = Gate()
            func register() -> (Workflow<Int, String>, Workflow<Int, Int>) {
                (
                    engine.client.workflow("poison", input: Int.self) { _, step -> String in
                        do {
                            try await step.run("kill") {
                                journal.note("poison")
                                await poison.pass()
                            }
                            return "survived"
                        } catch let error as StepError {
                            let original = error.original(as: StepInterruptedError.self)
                            return "interrupted \(original?.interruptions ?? 0) times"
                        }
                    },
                    engine.client.workflow("innocent", input: Int.self) { context, step in
                        try await step.run("work") { step in
                            journal.note("innocent \(context.input)")
                            if step.attempt == 1 { await innocent.pass() }
                            return step.attempt
                        }
                    }
                )
            }
            var (killer, neighbour) = register()
            try await engine.run()
            let run = try await killer.start(0)
            var neighbours: [RunID] = []
            for number in 0..<5 { neighbours.append(try await neighbour.start(number).id) }
            try await poison.reached()
            try await innocent.reached(5)
            for round in 1...3 {
                try await engine.kill()
                (killer, neighbour) = register()
                try await engine.run()
                if round < 3 { try await poison.reached(round + 1) }
            }
            #expect(try await killer.run(run.id).result() == "interrupted 3 times")
            #expect(journal.count("poison") == 3)
            for id in neighbours { #expect(try await neighbour.run(id).result() <= 3) }
            innocent.open()
            poison.open()
        }
    }

    @Test("Steps that crashes interrupted twice start one at a time", arguments: StoreForm.allCases)
    func turns(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let gates = (0..<3).map { _ in Gate() }
            let journal = Journal()
            func register() -> Workflow<Int, Int> {
                engine.client.workflow("w", input: Int.self) { context, step in
                    try await step.run("work") { step in
                        journal.note("begins")
                        await gates[min(step.attempt, 3) - 1].pass()
                        return step.attempt
                    }
                }
            }
            var flow = register()
            try await engine.run()
            var runs: [RunID] = []
            for number in 0..<4 { runs.append(try await flow.start(number).id) }
            for gate in gates.dropLast() {
                try await gate.reached(4)
                try await engine.kill()
                flow = register()
                try await engine.run()
            }
            // Twice interrupted, all four: one begins, the next when it has run for ten seconds.
            try await gates[2].reached(1)
            let probe = engine.client.workflow("probe", input: Int.self) { _, step in try await step.run("p") { 1 } }
            _ = try await probe.start(1).result()
            #expect(gates[2].arrivals == 1)
            engine.clock.advance(by: .seconds(10))
            try await gates[2].reached(2)
            _ = try await probe.start(1).result()
            #expect(gates[2].arrivals == 2)
            // And the others as soon as those before them have ended.
            gates[2].open()
            for id in runs { #expect(try await flow.run(id).result() == 3) }
            for gate in gates { gate.open() }
        }
    }
}
