import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Stopping on a full disk", .timeLimit(.minutes(5)))
struct FullDiskTests {
    private func flow(_ client: Client, _ gate: Gate) -> Workflow<Int, Int> {
        client.workflow("work", input: Int.self) { context, step in
            try await step.run("work") {
                try await gate.passOrCancel()
                return context.input
            }
        }
    }

    @Test("A shutdown ends with its grace, and recovery goes on from what the log holds", arguments: StoreForm.allCases)
    func shutdown(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let gate = Gate()
            let first = flow(engine.client, gate)
            try await engine.run()
            let run = try await first.start(7)
            try await gate.reached()
            engine.fillDisk()
            engine.beginShutdown()
            try await engine.clock.untilAlarm(within: .seconds(10))
            engine.clock.advance(by: .seconds(10))
            try await engine.ended()
            try await engine.restart()
            #expect(try await engine.kinds(of: run.id) == [.runStarted, .stepStarted])
            gate.open()
            let again = flow(engine.client, gate)
            try await engine.run()
            #expect(try await again.run(run.id).result() == 7)
        }
    }

    @Test("Closing ends too, also for those who wait for something to be written", arguments: StoreForm.allCases)
    func close(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let gate = Gate()
            let first = flow(engine.client, gate)
            try await engine.run()
            let run = try await first.start(7)
            try await gate.reached()
            engine.fillDisk()
            let client = engine.client
            let refused = Task { try await run.cancel() }
            await client.close()
            await #expect(throws: (any Error).self) { try await refused.value }
            try await engine.ended()
            try await engine.restart()
            gate.open()
            let again = flow(engine.client, gate)
            try await engine.run()
            #expect(try await again.run(run.id).result() == 7)
        }
    }

    @Test("With room again the same engine goes on from what it had decided", arguments: StoreForm.allCases)
    func again(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let gate = Gate()
            let flow = flow(engine.client, gate)
            try await engine.run()
            let run = try await flow.start(7)
            try await gate.reached()
            engine.fillDisk()
            engine.beginShutdown()
            try await engine.clock.untilAlarm(within: .seconds(10))
            engine.clock.advance(by: .seconds(10))
            try await engine.ended()
            engine.freeDisk()
            gate.open()
            try await engine.run()
            try await engine.until(run.id) { $0.status.isFinal }
            #expect(try await run.result() == 7)
            let kinds: [EventKind] = [
                .runStarted, .stepStarted, .stepInterrupted, .stepStarted, .stepSucceeded, .runSucceeded,
            ]
            #expect(try await engine.kinds(of: run.id) == kinds)
        }
    }

    @Test("An engine that begins to run on a full disk can be stopped", arguments: StoreForm.allCases)
    func beginning(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            engine.fillDisk()
            let flow = flow(engine.client, Gate())
            let early = Task { try await flow.start(1) }
            let client = engine.client
            let running = Task { try await client.run() }
            running.cancel()
            try await running.value
            await client.close()
            await #expect(throws: (any Error).self) { _ = try await early.value }
            try await engine.restart()
        }
    }
}
