import StepEngine
import StepEvents
import StepKit
import TestSupport
import Testing

@Suite("A signal for every run that waits", .timeLimit(.minutes(5)))
struct SignalToAllTests {
    /// Waits for two signals of one name, one after the other.
    private func waiter(_ client: Client, _ id: String = "wait") -> Workflow<Int, [Int]> {
        client.workflow(id, input: Int.self) { _, step in
            let first = try await step.waitForSignal("first", signal: "s", as: Int.self) ?? -1
            return [first, try await step.waitForSignal("second", signal: "s", as: Int.self) ?? -1]
        }
    }

    private func waiting(
        _ engine: TestEngine, _ flow: Workflow<Int, [Int]>, _ count: Int
    ) async throws -> [Run<[Int]>] {
        var runs: [Run<[Int]>] = []
        for number in 0..<count {
            let run = try await flow.start(number)
            try await engine.untilWaiting(run.id, for: "s")
            engine.clock.advance(by: .seconds(1))
            runs.append(run)
        }
        return runs
    }

    @Test("Each gets it once, in memory or not", arguments: StoreForm.allCases, [2, 100])
    func everyOne(form: StoreForm, room: Int) async throws {
        try await withEngine(form, configure: { $0.maxResidentRuns = room }) { engine in
            let flow = waiter(engine.client)
            try await engine.run()
            let runs = try await waiting(engine, flow, 6)
            for value in [1, 2] {
                // Those that wait again by then have had it.
                #expect(try await engine.client.signal("s", value, deliver: .all) == runs[0].id)
            }
            for run in runs { #expect(try await run.result() == [1, 2]) }
            #expect(try await engine.client.signal("s", 3, deliver: .all) == nil)
        }
    }

    @Test("Where nobody waits it is dropped, or kept for one", arguments: StoreForm.allCases)
    func nobody(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = waiter(engine.client)
            try await engine.run()
            #expect(try await engine.client.signal("s", 1, deliver: .all) == nil)
            let kept = try await engine.client.signal(
                "s", 2, ifNobodyWaits: .keep(for: .seconds(1_000)), deliver: .all)
            #expect(kept == nil)
            let run = try await flow.start(1)
            try await engine.until(run.id, "the second wait") { $0.nextSequence == 4 }
            #expect(try await engine.client.signal("s", 3, deliver: .all) == run.id)
            #expect(try await run.result() == [2, 3])
        }
    }

    @Test("Who can't decode it goes on waiting, and the others have it", arguments: StoreForm.allCases)
    func rejected(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = waiter(engine.client)
            let text = engine.client.workflow("text", input: Int.self) { _, step in
                try await step.waitForSignal("w", signal: "s", as: String.self) ?? "timeout"
            }
            try await engine.run()
            let other = try await text.start(1)
            try await engine.untilWaiting(other.id, for: "s")
            await #expect(throws: InvalidPayloadError.self) {
                try await engine.client.signal("s", 1, deliver: .all)
            }
            engine.clock.advance(by: .seconds(1))
            let runs = try await waiting(engine, flow, 2)
            #expect(try await engine.client.signal("s", 1, deliver: .all) == runs[0].id)
            #expect(try await engine.client.signal("s", 2, deliver: .all) == runs[0].id)
            for run in runs { #expect(try await run.result() == [1, 2]) }
            #expect(try await engine.client.signal("s", "hello", deliver: .all) == other.id)
            #expect(try await other.result() == "hello")
        }
    }

    @Test("With a key each run gets it once, also over a kill, and who waits since then", arguments: StoreForm.allCases)
    func repeated(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = waiter(engine.client)
            try await engine.run()
            let runs = try await waiting(engine, flow, 3).map(\.id)
            let key = String(repeating: "k", count: 512)
            #expect(try await engine.client.signal("s", 1, deliver: .all, idempotencyKey: key) == runs[0])
            #expect(try await engine.client.signal("s", 2, deliver: .all, idempotencyKey: key) == runs[0])
            try await engine.kill()
            let again = waiter(engine.client)
            try await engine.run()
            let late = try await again.start(7)
            try await engine.untilWaiting(late.id, for: "s")
            #expect(try await engine.client.signal("s", 3, deliver: .all, idempotencyKey: key) == runs[0])
            #expect(try await engine.client.signal("s", 4, deliver: .all) == runs[0])
            for run in runs { #expect(try await again.run(run).result() == [1, 4]) }
            #expect(try await late.result() == [3, 4])
        }
    }

    @Test("It is queued for those whose code is not here", arguments: StoreForm.allCases)
    func stranded(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let old = waiter(engine.client, "old")
            try await engine.run()
            let away = try await waiting(engine, old, 2).map(\.id)
            try await engine.restart()
            let flow = waiter(engine.client, "new")
            try await engine.run()
            let here = try await waiting(engine, flow, 1)
            #expect(try await engine.client.signal("s", 1, deliver: .all) == away[0])
            let back = waiter(engine.client, "old")
            for run in away {
                try await engine.until(run, "the second wait") { $0.nextSequence == 5 }
            }
            #expect(try await engine.client.signal("s", 2, deliver: .all) == away[0])
            for run in away { #expect(try await back.run(run).result() == [1, 2]) }
            #expect(try await here[0].result() == [1, 2])
        }
    }
}
