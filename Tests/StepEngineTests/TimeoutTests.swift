import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Timeouts of attempts", .timeLimit(.minutes(5)))
struct TimeoutTests {
    private static let once = RetryPolicy.fixed(maxAttempts: 2, delay: .seconds(1), jitter: 0)

    @Test("A body that is too slow is cancelled, and the attempt counts", arguments: StoreForm.allCases)
    func cancelled(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let gate = Gate()
            let journal = Journal()
            let flow = engine.client.workflow("slow", input: Int.self) { _, step in
                try await step.run("work", retry: Self.once, timeout: .seconds(3)) {
                    do { try await gate.passOrCancel() } catch {
                        journal.note("cancelled")
                        throw error
                    }
                }
            }
            try await engine.run()
            let run = try await flow.start(1)
            try await gate.reached()
            try await engine.clock.untilAlarm(within: .seconds(3))
            engine.clock.advance(by: .seconds(2))
            #expect(try await engine.kinds(of: run.id) == [.runStarted, .stepStarted])
            engine.clock.advance(by: .seconds(1))
            try await engine.untilRetrying(run.id)
            try await journal.until("cancelled")
            engine.clock.advance(by: .seconds(1))
            try await gate.reached(2)
            try await engine.clock.untilAlarm(within: .seconds(3))
            engine.clock.advance(by: .seconds(3))
            let recorded = try #require(try await failure(of: run))
            #expect(recorded.causes.first?.type == "StepCore.StepTimeoutError")
            let kinds: [EventKind] = [
                .runStarted, .stepStarted, .stepFailed, .stepStarted, .stepFailed, .runFailed,
            ]
            #expect(try await engine.kinds(of: run.id) == kinds)
        }
    }

    @Test("The next attempt waits for the body to end; its late result is discarded", arguments: StoreForm.allCases)
    func late(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let gate = Gate()
            let journal = Journal()
            let flow = engine.client.workflow("deaf", input: Int.self) { _, step in
                try await step.run("work", retry: Self.once, timeout: .seconds(3)) { context -> Int in
                    journal.note("begins \(context.attempt)")
                    if context.attempt == 1 { await gate.pass() }
                    return context.attempt
                }
            }
            try await engine.run()
            let run = try await flow.start(1)
            try await gate.reached()
            try await engine.clock.untilAlarm(within: .seconds(3))
            engine.clock.advance(by: .seconds(3))
            try await engine.untilRetrying(run.id)
            engine.clock.advance(by: .seconds(20))
            // Due since long, but the first body still runs.
            let probe = engine.client.workflow("probe", input: Int.self) { _, step in try await step.run("p") { 1 } }
            _ = try await probe.start(1).result()
            #expect(journal.notes == ["begins 1"])
            gate.open()
            #expect(try await run.result() == 2)
            #expect(journal.notes == ["begins 1", "begins 2"])
            #expect(engine.logs.messages.contains("a late result was discarded"))
        }
    }

    @Test("A body that never ends is abandoned after a while", arguments: StoreForm.allCases)
    func abandoned(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.abandonAfter = .seconds(30) }) { engine in
            let gate = Gate()
            let flow = engine.client.workflow("deaf", input: Int.self) { _, step in
                try await step.run("work", retry: Self.once, timeout: .seconds(3)) { context -> Int in
                    if context.attempt == 1 { await gate.pass() }
                    return context.attempt
                }
            }
            try await engine.run()
            let run = try await flow.start(1)
            try await gate.reached()
            try await engine.clock.untilAlarm(within: .seconds(3))
            engine.clock.advance(by: .seconds(3))
            try await engine.untilRetrying(run.id)
            engine.clock.advance(by: .seconds(3))
            // No further than the end of the patience: the next attempt has a timeout too.
            try await engine.clock.untilAlarm(within: .seconds(30))
            engine.clock.advance(by: .seconds(30))
            #expect(try await run.result() == 2)
            #expect(engine.logs.messages.contains("a timed-out body still runs; the next attempt begins"))
            gate.open()
        }
    }

    @Test("Ending in time leaves no timer behind", arguments: StoreForm.allCases)
    func inTime(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("quick", input: Int.self) { _, step in
                let first = try await step.run("work", timeout: .seconds(3)) { 1 }
                try await step.sleep("nap", for: .seconds(60))
                return try await step.run("more", timeout: .seconds(3)) { first + 1 }
            }
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.passTime(until: run.id)
            #expect(try await run.result() == 2)
        }
    }
}
