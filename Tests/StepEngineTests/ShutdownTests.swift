import Logging
import ServiceLifecycle
import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Shutting down", .timeLimit(.minutes(5)))
struct ShutdownTests {
    private func flow(_ client: Client, _ journal: Journal, _ gate: Gate) -> Workflow<Int, Int> {
        client.workflow("work", input: Int.self) { context, step in
            let first = try await step.run("first") { context in
                journal.note("first \(context.attempt)")
                try await gate.passOrCancel()
                return context.attempt
            }
            return try await step.run("second") { first * 10 + 1 }
        }
    }

    @Test("A body that ends within the grace is recorded; the rest goes on next time", arguments: StoreForm.allCases)
    func withinGrace(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let gate = Gate()
            let first = flow(engine.client, journal, gate)
            try await engine.run()
            let run = try await first.start(1)
            try await gate.reached()
            engine.beginShutdown()
            gate.open()
            try await engine.ended()
            #expect(try await engine.kinds(of: run.id) == [.runStarted, .stepStarted, .stepSucceeded])
            try await engine.restart()
            let again = flow(engine.client, journal, gate)
            try await engine.run()
            #expect(try await again.run(run.id).result() == 11)
            #expect(journal.notes == ["first 1"])
        }
    }

    @Test("A function that waits for something that is no step holds nothing up", arguments: StoreForm.allCases)
    func foreignWait(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let gate = Gate()
            func register() -> Workflow<Int, Int> {
                engine.client.workflow("foreign", input: Int.self) { context, step in
                    let first = try await step.run("first") { context.input }
                    await gate.pass()
                    return try await step.run("second") { first + 1 }
                }
            }
            let run = try await startAndReach(gate, register(), engine)
            try await engine.restart()
            let again = register()
            try await engine.run()
            try await gate.reached(2)
            gate.open()
            #expect(try await again.run(run).result() == 2)
            let kinds = try await engine.kinds(of: run)
            #expect(kinds == [.runStarted, .stepStarted, .stepSucceeded, .stepStarted, .stepSucceeded, .runSucceeded])
        }
    }

    private func startAndReach(_ gate: Gate, _ flow: Workflow<Int, Int>, _ engine: TestEngine) async throws -> RunID {
        try await engine.run()
        let run = try await flow.start(1)
        try await gate.reached()
        return run.id
    }

    @Test("A body that takes longer is cut off, which counts for nothing", arguments: StoreForm.allCases)
    func cutOff(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.maxInterruptions = 1 }) { engine in
            let journal = Journal()
            let gate = Gate()
            var flow = flow(engine.client, journal, gate)
            try await engine.run()
            let run = try await flow.start(1)
            for round in 1...3 {
                try await gate.reached(round)
                engine.beginShutdown()
                try await engine.clock.untilAlarm(within: .seconds(10))
                engine.clock.advance(by: .seconds(10))
                try await engine.ended()
                try await engine.restart()
                flow = self.flow(engine.client, journal, gate)
                try await engine.run()
            }
            try await gate.reached(4)
            gate.open()
            #expect(try await flow.run(run.id).result() == 41)
            let reasons = try await engine.history(of: run.id).compactMap { event -> StepInterrupted.Reason? in
                if case .stepInterrupted(let body) = event.body { body.reason } else { nil }
            }
            #expect(reasons == [.shutdown, .shutdown, .shutdown])
        }
    }

    @Test("Nothing new starts while it shuts down", arguments: StoreForm.allCases)
    func nothingNew(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let gate = Gate()
            let flow = flow(engine.client, Journal(), gate)
            try await engine.run()
            let run = try await flow.start(1)
            try await gate.reached()
            engine.beginShutdown()
            await #expect(throws: EngineStopped.self) { _ = try await flow.start(2) }
            await #expect(throws: EngineStopped.self) { try await engine.client.signal("s", 1) }
            gate.open()
            try await engine.ended()
            #expect(try await run.status() == .running)
        }
    }

    @Test("As a service of a group, and again with a new one", arguments: StoreForm.allCases)
    func service(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let gate = Gate()
            let first = flow(engine.client, journal, gate)
            let group = ServiceGroup(services: [engine.client], logger: Logger(label: "test"))
            let serving = Task { try await group.run() }
            let run = try await first.start(1)
            try await gate.reached()
            // Past the warning about runs without code, so that the next alarm is the end of the grace. A body may begin
            // before the engine has set that alarm.
            try await engine.clock.untilAlarm(within: .seconds(5))
            engine.clock.advance(by: .seconds(6))
            await group.triggerGracefulShutdown()
            try await engine.clock.untilAlarm(within: .seconds(10))
            gate.open()
            try await serving.value
            #expect(try await engine.kinds(of: run.id) == [.runStarted, .stepStarted, .stepSucceeded])
            let next = ServiceGroup(services: [engine.client], logger: Logger(label: "test"))
            let again = Task { try await next.run() }
            try await engine.until(run.id, "its end") { $0.status == .succeeded }
            #expect(try await run.result() == 11)
            await next.triggerGracefulShutdown()
            try await again.value
            #expect(journal.notes == ["first 1"])
        }
    }

    @Test("Cancelling the service's task ends it at once", arguments: StoreForm.allCases)
    func cancelled(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let gate = Gate()
            let flow = flow(engine.client, journal, gate)
            let client = engine.client
            let service = Task { try await client.run() }
            let run = try await flow.start(1)
            try await gate.reached()
            service.cancel()
            try await service.value
            #expect(try await engine.kinds(of: run.id) == [.runStarted, .stepStarted, .stepInterrupted])
        }
    }

    @Test("Waiting runs leave and come back", arguments: StoreForm.allCases)
    func waiting(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            func register() -> Workflow<Int, Int> {
                engine.client.workflow("wait", input: Int.self) { context, step in
                    journal.note("begins")
                    return try await step.waitForSignal("w", signal: "\(context.input)", as: Int.self) ?? -1
                }
            }
            let flow = register()
            try await engine.run()
            var runs: [Run<Int>] = []
            for number in 0..<50 { runs.append(try await flow.start(number)) }
            for (number, run) in runs.enumerated() { try await engine.untilWaiting(run.id, for: "\(number)") }
            try await engine.restart()
            let again = register()
            try await engine.run()
            for (number, run) in runs.enumerated() {
                #expect(try await engine.client.signal("\(number)", number) == run.id)
                #expect(try await again.run(run.id).result() == number)
            }
            #expect(journal.notes.count == 100)
        }
    }
}
