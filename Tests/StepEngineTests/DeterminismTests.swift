import Foundation
import Logging
import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("What is the same on every replay", .timeLimit(.minutes(5)))
struct DeterminismTests {
    /// Notes what the function sees, each time it is executed.
    private func flow(_ client: Client, _ journal: Journal) -> Workflow<Int, Int> {
        client.workflow("see", input: Int.self) { context, step in
            func see(_ what: String) {
                var random = context.random
                journal.note("\(what) \(context.now) \(random.next()) \(context.uuid())")
            }
            see("begin")
            try await step.run("a") {}
            see("after a")
            try await step.sleep("nap", for: .seconds(10))
            see("after nap")
            async let first = step.group("one") { step in
                try await step.run("x") {}
                var random = step.random
                return random.next()
            }
            async let second = step.group("two") { step in
                try await step.run("x") {}
                var random = step.random
                return random.next()
            }
            journal.note("\(try await first) \(try await second)")
            see("after groups")
            context.logger.info("live once")
            _ = try await step.waitForSignal("w", signal: "s", as: Int.self)
            context.logger.info("live at last")
            return 1
        }
    }

    @Test("now, random and uuid; and a logger that is silent meanwhile", arguments: StoreForm.allCases)
    func replay(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journals = (0..<3).map { _ in Journal() }
            var flow = flow(engine.client, journals[0])
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.untilSleeping(run.id)
            engine.clock.advance(by: .seconds(10))
            try await engine.untilWaiting(run.id, for: "s")
            for journal in journals[1...] {
                try await engine.kill(downtime: .seconds(77))
                flow = self.flow(engine.client, journal)
                try await engine.run()
                try await journal.until { $0.count == 5 }
            }
            #expect(try await engine.client.signal("s", 1) == run.id)
            #expect(try await flow.run(run.id).result() == 1)
            #expect(journals[0].notes == journals[1].notes)
            #expect(journals[0].notes == journals[2].notes)
            #expect(Set(journals[0].notes).count == 5)
            #expect(engine.logs.messages.count { $0 == "live once" } == 1)
            #expect(engine.logs.messages.count { $0 == "live at last" } == 1)
        }
    }

    @Test("Other runs, and other seeds, see other numbers", arguments: StoreForm.allCases)
    func distinct(form: StoreForm) async throws {
        let journal = Journal()
        for seed: UInt64 in [1, 1, 2] {
            try await withEngine(form, seed: seed) { engine in
                let flow = engine.client.workflow("draw", input: Int.self) { context, _ in
                    journal.note("\(context.uuid())")
                }
                try await engine.run()
                _ = try await flow.start(1).result()
                _ = try await flow.start(1).result()
            }
        }
        #expect(journal.notes[0] == journal.notes[2])
        #expect(journal.notes[1] == journal.notes[3])
        #expect(Set(journal.notes).count == 4)
    }

    @Test("A UUID is a version 4 one", arguments: StoreForm.allCases)
    func uuid(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("draw", input: Int.self) { context, _ in
                (0..<50).map { _ in context.uuid().uuidString }
            }
            try await engine.run()
            let uuids = try await flow.start(1).result()
            #expect(Set(uuids).count == 50)
            for uuid in uuids {
                let characters = Array(uuid)
                #expect(characters[14] == "4")
                #expect("89AB".contains(characters[19]))
            }
        }
    }
}
