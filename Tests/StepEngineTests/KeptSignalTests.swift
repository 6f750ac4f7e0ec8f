import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Signals that are kept, and signals that runs send", .timeLimit(.minutes(5)))
struct KeptSignalTests {
    private func waiter(_ client: Client) -> Workflow<String, Int> {
        client.workflow("wait", input: String.self) { context, step in
            try await step.waitForSignal("w", signal: context.input, as: Int.self) ?? -1
        }
    }

    @Test("The next waiter gets what was kept, the oldest first", arguments: StoreForm.allCases, [false, true])
    func kept(form: StoreForm, kills: Bool) async throws {
        try await withEngine(form) { engine in
            var flow = waiter(engine.client)
            try await engine.run()
            for number in 1...3 {
                let receiver = try await engine.client.signal("s", number, ifNobodyWaits: .keep(for: .seconds(1_000)))
                #expect(receiver == nil)
            }
            if kills {
                try await engine.kill()
                flow = waiter(engine.client)
                try await engine.run()
            }
            for number in 1...3 { #expect(try await flow.start("s").result() == number) }
            #expect(try await engine.read { try $0.kept("s").isEmpty })
            let last = try await flow.start("s")
            try await engine.untilWaiting(last.id, for: "s")
            #expect(try await engine.client.signal("s", 4, ifNobodyWaits: .keep(for: .seconds(5))) == last.id)
            #expect(try await last.result() == 4)
        }
    }

    @Test("What was kept expires", arguments: StoreForm.allCases)
    func expires(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = waiter(engine.client)
            try await engine.run()
            try await engine.client.signal("s", 1, ifNobodyWaits: .keep(for: .seconds(10)))
            try await engine.client.signal("far", 1, ifNobodyWaits: .keep(for: .seconds(1_000)))
            engine.clock.advance(by: .seconds(11))
            let run = try await flow.start("s")
            try await engine.untilWaiting(run.id, for: "s")
            try await engine.until("the expiry") { try $0.kept("s").isEmpty }
            #expect(try await run.status() == .waiting)
            #expect(try await engine.read { try $0.kept("far").count } == 1)
            #expect(try await engine.client.signal("s", 2) == run.id)
            #expect(try await run.result() == 2)
        }
    }

    @Test("What expires while nobody is there is gone", arguments: StoreForm.allCases)
    func expiresDown(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            _ = waiter(engine.client)
            try await engine.run()
            try await engine.client.signal("s", 1, ifNobodyWaits: .keep(for: .seconds(10)))
            try await engine.kill(downtime: .seconds(100))
            let flow = waiter(engine.client)
            try await engine.run()
            let run = try await flow.start("s")
            try await engine.untilWaiting(run.id, for: "s")
            try await engine.until("the expiry") { try $0.kept("s").isEmpty }
            #expect(try await run.status() == .waiting)
        }
    }

    @Test("What does not decode stays for a waiter of its type", arguments: StoreForm.allCases)
    func wrongShape(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = waiter(engine.client)
            let texts = engine.client.workflow("texts", input: String.self) { context, step in
                try await step.waitForSignal("w", signal: context.input, as: String.self) ?? "timeout"
            }
            try await engine.run()
            try await engine.client.signal("s", "text", ifNobodyWaits: .keep(for: .seconds(1_000)))
            try await engine.client.signal("s", 7, ifNobodyWaits: .keep(for: .seconds(1_000)))
            #expect(try await flow.start("s").result() == 7)
            #expect(try await texts.start("s").result() == "text")
        }
    }

    @Test("Keeping under an idempotency key keeps one", arguments: StoreForm.allCases)
    func idempotency(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = waiter(engine.client)
            try await engine.run()
            for _ in 0..<3 {
                try await engine.client.signal(
                    "s", 1, ifNobodyWaits: .keep(for: .seconds(1_000)), idempotencyKey: "k")
            }
            #expect(try await engine.read { try $0.kept("s").count } == 1)
            #expect(try await flow.start("s").result() == 1)
            #expect(try await engine.client.signal("s", 1, idempotencyKey: "k") == nil)
            engine.clock.advance(by: .seconds(25 * 3_600))
            let run = try await flow.start("s")
            try await engine.untilWaiting(run.id, for: "s")
            #expect(try await engine.client.signal("s", 2, idempotencyKey: "k") == run.id, "a day later it is new")
        }
    }

    @Test("A run sends a signal once, however often it is replayed", arguments: StoreForm.allCases)
    func sends(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            func register() -> (Workflow<Int, Int>, Workflow<String, Int>) {
                (
                    engine.client.workflow("send", input: Int.self) { context, step in
                        try await step.sendSignal("tell", signal: "s", data: context.input)
                        try await step.sendSignal(
                            "keep", signal: "kept", data: context.input, ifNobodyWaits: .keep(for: .seconds(10_000)))
                        try await step.sleep("nap", for: .seconds(10))
                        return 1
                    }, waiter(engine.client)
                )
            }
            let (sender, receiver) = register()
            try await engine.run()
            let first = try await receiver.start("s")
            try await engine.untilWaiting(first.id, for: "s")
            let run = try await sender.start(7)
            #expect(try await first.result() == 7)
            try await engine.untilSleeping(run.id)
            try await engine.kill(downtime: .seconds(20))
            let (again, receivers) = register()
            try await engine.run()
            #expect(try await again.run(run.id).result() == 1)
            #expect(try await receivers.start("kept").result() == 7)
            #expect(try await engine.read { try $0.kept("kept").isEmpty })
            let second = try await receivers.start("s")
            try await engine.untilWaiting(second.id, for: "s")
            #expect(try await engine.client.signal("s", 8) == second.id, "nobody had sent it another")
        }
    }

    @Test("A sent signal arrives once, however long its sender was away before it noted that", arguments: [1, 26])
    func sentOnce(hours: Int) async throws {
        // In memory: the process dies between two commits.
        try await withEngine(.memory) { engine in
            func register() -> (Workflow<Int, Int>, Workflow<String, Int>) {
                (
                    engine.client.workflow("send", input: Int.self) { context, step in
                        try await step.sendSignal("tell", signal: "s", data: context.input)
                        return 1
                    }, waiter(engine.client)
                )
            }
            let (sender, receiver) = register()
            try await engine.run()
            let first = try await receiver.start("s")
            try await engine.untilWaiting(first.id, for: "s")
            let second = try await receiver.start("s")
            try await engine.untilWaiting(second.id, for: "s")
            let memory = engine.memory
            let store = engine.log
            // Nothing is written any more once the receiver has the signal.
            memory.setFault { call in
                guard call == .commit else { return nil }
                let isOver = try? store.read { try $0.run(id: first.id)?.status.isFinal }
                return isOver == true ? TablesError(.fatal, "the process was killed") : nil
            }
            let run = try? await sender.start(7)
            _ = try? await run?.result()
            try await engine.kill(downtime: .seconds(hours * 3_600))
            let (again, receivers) = register()
            try await engine.run()
            let id = try #require(run?.id)
            #expect(try await again.run(id).result() == 1)
            #expect(try await receivers.run(first.id).result() == 7)
            #expect(try await receivers.run(second.id).status() == .waiting)
            let rows = try await engine.read { snapshot in
                var rows = 0
                try snapshot.scanRaw(.signals) { key, _ in
                    if key.first == 5 { rows += 1 }
                    return true
                }
                return rows
            }
            #expect(rows == 0, "the receipt goes with the sender's step")
        }
    }

    @Test("Runs signal one another, and themselves", arguments: StoreForm.allCases)
    func pingPong(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("player", input: Int.self) { context, step in
                var last = 0
                for round in 0..<5 {
                    if context.input == 0 {
                        try await step.sendSignal(
                            "ping", signal: "ping", data: round, ifNobodyWaits: .keep(for: .seconds(100)))
                    }
                    let mine = context.input == 0 ? "pong" : "ping"
                    last = try await step.waitForSignal("wait", signal: mine, as: Int.self) ?? -1
                    if context.input == 1 {
                        try await step.sendSignal(
                            "pong", signal: "pong", data: round * 10, ifNobodyWaits: .keep(for: .seconds(100)))
                    }
                }
                return last
            }
            let alone = engine.client.workflow("alone", input: Int.self) { _, step in
                async let waiting = step.waitForSignal("wait", signal: "self", as: Int.self)
                try await step.sendSignal("tell", signal: "self", data: 3, ifNobodyWaits: .keep(for: .seconds(100)))
                return try await waiting
            }
            try await engine.run()
            let players = [try await flow.start(0), try await flow.start(1)]
            #expect(try await players[0].result() == 40)
            #expect(try await players[1].result() == 4)
            #expect(try await alone.start(1).result() == 3)
        }
    }
}
