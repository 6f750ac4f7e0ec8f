import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Signals to runs that wait", .timeLimit(.minutes(5)))
struct SignalTests {
    struct Approval: Codable, Sendable, Hashable {
        var by: String
    }

    private func waiter(_ client: Client, timeout: Duration? = nil) -> Workflow<String, String> {
        client.workflow("wait", input: String.self) { context, step in
            let approval = try await step.waitForSignal(
                "approval", signal: context.input, as: Approval.self, timeout: timeout)
            return approval?.by ?? "timeout"
        }
    }

    @Test("The run that waits gets the data, the sender its id", arguments: StoreForm.allCases)
    func arrives(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = waiter(engine.client)
            try await engine.run()
            let run = try await flow.start("order/1")
            try await engine.untilWaiting(run.id, for: "order/1")
            #expect(try await engine.client.signal("order/2", Approval(by: "other")) == nil)
            #expect(try await engine.client.signal("order/1", Approval(by: "me")) == run.id)
            #expect(try await run.result() == "me")
            #expect(try await engine.client.signal("order/1", Approval(by: "late")) == nil)
        }
    }

    @Test("A signal's receipt is durable: it survives a kill", arguments: StoreForm.allCases)
    func durable(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = waiter(engine.client)
            try await engine.run()
            let run = try await flow.start("s")
            try await engine.untilWaiting(run.id, for: "s")
            #expect(try await engine.client.signal("s", Approval(by: "me")) == run.id)
            try await engine.kill()
            let again = waiter(engine.client)
            try await engine.run()
            #expect(try await again.run(run.id).result() == "me")
        }
    }

    @Test("A wait from before a restart gets the signal", arguments: StoreForm.allCases)
    func afterRestart(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = waiter(engine.client)
            try await engine.run()
            let run = try await flow.start("s")
            try await engine.untilWaiting(run.id, for: "s")
            try await engine.restart()
            let again = waiter(engine.client)
            try await engine.run()
            #expect(try await engine.client.signal("s", Approval(by: "me")) == run.id)
            #expect(try await again.run(run.id).result() == "me")
        }
    }

    @Test("Nobody's signal is dropped", arguments: StoreForm.allCases)
    func dropped(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = waiter(engine.client)
            try await engine.run()
            #expect(try await engine.client.signal("s", Approval(by: "early")) == nil)
            let run = try await flow.start("s")
            try await engine.untilWaiting(run.id, for: "s")
            #expect(try await engine.client.signal("s", Approval(by: "late")) == run.id)
            #expect(try await run.result() == "late")
        }
    }

    @Test("After the timeout the value is nil, and a later signal goes elsewhere", arguments: StoreForm.allCases)
    func timeout(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = waiter(engine.client, timeout: .seconds(100))
            try await engine.run()
            let run = try await flow.start("s")
            try await engine.untilWaiting(run.id, for: "s")
            engine.clock.advance(by: .seconds(99))
            #expect(try await run.status() == .waiting)
            engine.clock.advance(by: .seconds(1))
            #expect(try await run.result() == "timeout")
            #expect(try await engine.client.signal("s", Approval(by: "late")) == nil)
            #expect(try await engine.kinds(of: run.id) == [.runStarted, .waitStarted, .waitTimedOut, .runSucceeded])
        }
    }

    @Test("A timeout that passed while nobody was there, and one of zero", arguments: StoreForm.allCases)
    func overdue(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = waiter(engine.client, timeout: .seconds(100))
            let zero = engine.client.workflow("zero", input: Int.self) { _, step in
                try await step.waitForSignal("s", signal: "s", as: Int.self, timeout: .zero)
            }
            try await engine.run()
            #expect(try await zero.start(1).result() == nil)
            let run = try await flow.start("s")
            try await engine.untilWaiting(run.id, for: "s")
            try await engine.kill(downtime: .seconds(101))
            let again = waiter(engine.client, timeout: .seconds(100))
            try await engine.run()
            #expect(try await again.run(run.id).result() == "timeout")
        }
    }

    @Test("The longest waiting of several gets it", arguments: StoreForm.allCases, [false, true])
    func longest(form: StoreForm, restarts: Bool) async throws {
        try await withEngine(form) { engine in
            var flow = waiter(engine.client)
            try await engine.run()
            var runs: [RunID] = []
            for _ in 0..<5 {
                let run = try await flow.start("s")
                try await engine.untilWaiting(run.id, for: "s")
                runs.append(run.id)
                engine.clock.advance(by: .seconds(1))
            }
            if restarts {
                try await engine.kill()
                flow = waiter(engine.client)
                try await engine.run()
            }
            for (number, run) in runs.enumerated() {
                #expect(try await engine.client.signal("s", Approval(by: "\(number)")) == run)
                #expect(try await flow.run(run).result() == "\(number)")
            }
            #expect(try await engine.client.signal("s", Approval(by: "none")) == nil)
        }
    }

    @Test("Data of the wrong shape is rejected and the wait goes on", arguments: StoreForm.allCases, [false, true])
    func wrongShape(form: StoreForm, restarts: Bool) async throws {
        try await withEngine(form) { engine in
            var flow = waiter(engine.client)
            try await engine.run()
            let run = try await flow.start("s")
            try await engine.untilWaiting(run.id, for: "s")
            if restarts {
                try await engine.kill()
                flow = waiter(engine.client)
                try await engine.run()
            }
            do {
                _ = try await engine.client.signal("s", ["not": "an approval"])
                Issue.record("the signal was taken")
            } catch let error as InvalidPayloadError {
                #expect(error.runID == run.id)
                #expect(error.signal == "s")
            }
            #expect(try await engine.client.signal("s", Approval(by: "me")) == run.id)
            #expect(try await flow.run(run.id).result() == "me")
            let kinds: [EventKind] = [.runStarted, .waitStarted, .signalRejected, .waitResolved, .runSucceeded]
            #expect(try await engine.kinds(of: run.id) == kinds)
        }
    }

    @Test("An idempotency key makes it one signal, also over a kill", arguments: StoreForm.allCases)
    func idempotency(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = waiter(engine.client)
            try await engine.run()
            let first = try await flow.start("s")
            try await engine.untilWaiting(first.id, for: "s")
            engine.clock.advance(by: .seconds(1))
            let second = try await flow.start("s")
            try await engine.untilWaiting(second.id, for: "s")
            let approval = Approval(by: "me")
            #expect(try await engine.client.signal("s", approval, idempotencyKey: "k") == first.id)
            #expect(try await engine.client.signal("s", approval, idempotencyKey: "k") == first.id)
            try await engine.kill()
            let again = waiter(engine.client)
            try await engine.run()
            #expect(try await engine.client.signal("s", approval, idempotencyKey: "k") == first.id)
            #expect(try await again.run(second.id).status() == .waiting)
            #expect(try await engine.client.signal("s", approval, idempotencyKey: "another") == second.id)
        }
    }

    @Test("A wait that changed code no longer asks for does not hold its signals up", arguments: StoreForm.allCases)
    func abandonedWait(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = waiter(engine.client)
            try await engine.run()
            let run = try await flow.start("s")
            try await engine.untilWaiting(run.id, for: "s")
            try await engine.restart()
            engine.client.workflow("wait", input: String.self) { _, step in
                try await step.sleep("nap", for: .seconds(10_000))
            }
            let others = engine.client.workflow("other", input: String.self) { context, step in
                try await step.waitForSignal("w", signal: context.input, as: Approval.self)?.by ?? "timeout"
            }
            try await engine.run()
            try await engine.untilSleeping(run.id)
            // Past the time at which the engine looks for runs without code.
            engine.clock.advance(by: .seconds(6))
            let other = try await others.start("s")
            try await engine.untilWaiting(other.id, for: "s")
            let client = engine.client
            async let receiver = client.signal("s", Approval(by: "me"))
            try await engine.clock.untilAlarm(within: .seconds(10))
            engine.clock.advance(by: .seconds(10))
            #expect(try await receiver == other.id)
            #expect(try await other.result() == "me")
            #expect(try await engine.client.signal("s", Approval(by: "late")) == nil)
        }
    }

    @Test("A key concerns signals of one name, and is forgotten after a day", arguments: StoreForm.allCases)
    func keys(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = waiter(engine.client)
            try await engine.run()
            for name in ["a", "b"] {
                let run = try await flow.start(name)
                try await engine.untilWaiting(run.id, for: name)
                #expect(try await engine.client.signal(name, Approval(by: "me"), idempotencyKey: "k") == run.id)
            }
            for _ in 0..<10 {
                engine.clock.advance(by: .seconds(13 * 3_600))
                for name in ["c", "d"] {
                    let (by, kept) = (Approval(by: "me"), SignalDisposition.keep(for: .seconds(1)))
                    try await engine.client.signal(name, by, ifNobodyWaits: kept, idempotencyKey: "\(engine.clock.now)")
                }
            }
            let rows = try await engine.read { snapshot in
                var rows = 0
                try snapshot.scanRaw(.signals) { key, _ in
                    // Receipts, and their places in time.
                    if key.first == 3 || key.first == 4 { rows += 1 }
                    return true
                }
                return rows
            }
            #expect(rows == 2 * 4, "the last two rounds'")
        }
    }

    @Test("Many signals at once go to as many waiters, one each", arguments: StoreForm.allCases)
    func concurrent(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = waiter(engine.client)
            try await engine.run()
            var runs: [Run<String>] = []
            for _ in 0..<20 { runs.append(try await flow.start("s")) }
            for run in runs { try await engine.untilWaiting(run.id, for: "s") }
            let client = engine.client
            let receivers = try await withThrowingTaskGroup(of: RunID?.self) { group in
                for number in 0..<30 { group.addTask { try await client.signal("s", Approval(by: "\(number)")) } }
                return try await group.reduce(into: [RunID?]()) { $0.append($1) }
            }
            #expect(Set(receivers.compactMap { $0 }) == Set(runs.map(\.id)))
            #expect(receivers.count { $0 == nil } == 10)
            var results: Set<String> = []
            for run in runs { results.insert(try await run.result()) }
            #expect(results.count == 20)
        }
    }

    @Test("Unusable names and data are refused", arguments: StoreForm.allCases)
    func unusable(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.payloadLimit = 100 }) { engine in
            try await engine.run()
            let client = engine.client
            let long = String(repeating: "s", count: 1_024)
            #expect(try await client.signal(long, 1) == nil)
            await #expect(throws: InvalidStepID.self) { try await client.signal("", 1) }
            await #expect(throws: InvalidStepID.self) { try await client.signal(long + "s", 1) }
            await #expect(throws: InvalidStepID.self) { try await client.signal("s", 1, idempotencyKey: "") }
            await #expect(throws: ResultEncodingError.self) { try await client.signal("s", Double.nan) }
            await #expect(throws: PayloadTooLarge.self) { try await client.signal("s", long) }
        }
    }

    @Test("Long names that begin alike are told apart", arguments: StoreForm.allCases)
    func longNames(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = waiter(engine.client)
            try await engine.run()
            let names = ["a", "b"].map { String(repeating: "long", count: 200) + $0 }
            var runs: [Run<String>] = []
            for name in names { runs.append(try await flow.start(name)) }
            for (run, name) in zip(runs, names) { try await engine.untilWaiting(run.id, for: name) }
            #expect(try await engine.client.signal(names[1], Approval(by: "b")) == runs[1].id)
            #expect(try await engine.client.signal(names[0], Approval(by: "a")) == runs[0].id)
        }
    }
}
