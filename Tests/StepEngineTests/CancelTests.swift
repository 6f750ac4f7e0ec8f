import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Cancelling runs", .timeLimit(.minutes(5)))
struct CancelTests {
    /// Waits for a body, a sleep or a signal, and cleans up where it is cancelled.
    private func flow(_ client: Client, _ journal: Journal, _ gate: Gate = Gate()) -> Workflow<String, String> {
        client.workflow("work", input: String.self) { context, step in
            do {
                switch context.input {
                case "body": try await step.run("body") { try await gate.passOrCancel() }
                case "deaf":
                    try await step.run("body") {
                        await gate.pass()
                        journal.note("body ended")
                    }
                case "sleep": try await step.sleep("sleep", for: .seconds(1_000))
                case "retry": try await step.run("retry", retry: .fixed(delay: .seconds(1_000))) { throw Opaque() }
                default: _ = try await step.waitForSignal("wait", signal: "s", as: Int.self)
                }
                return "ended"
            } catch is CancellationError {
                journal.note("cancelled")
                try await step.cleanup { step in
                    try await step.run("release") { journal.note("released \(Task.isCancelled)") }
                    try await step.sleep("pause", for: .seconds(5))
                    try await step.run("tell") { journal.note("told") }
                }
                throw CancellationError()
            }
        }
    }

    @Test(
        "Whatever a run waits for, it is cancelled and may clean up", arguments: StoreForm.allCases,
        ["body", "deaf", "sleep", "retry", "wait"])
    func cleansUp(form: StoreForm, what: String) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let gate = Gate()
            let flow = flow(engine.client, journal, gate)
            try await engine.run()
            let run = try await flow.start(what)
            switch what {
            case "body", "deaf": try await gate.reached()
            case "retry": try await engine.untilRetrying(run.id)
            default: try await engine.until(run.id) { !$0.open.isEmpty }
            }
            try await run.cancel(by: "ops", reason: "not needed")
            try await engine.untilSleeping(run.id)
            engine.clock.advance(by: .seconds(5))
            await #expect(throws: RunCancelledError(runID: run.id, by: "ops", reason: "not needed")) {
                _ = try await run.result()
            }
            #expect(journal.notes == ["cancelled", "released false", "told"])
            #expect(try await run.status() == .cancelled)
            #expect(try await engine.read { try $0.timers(dueBefore: .distantFuture, limit: 10).isEmpty })
            #expect(try await engine.read { try $0.waiters(of: "s").isEmpty })
            gate.open()
        }
    }

    @Test("Cancelling is durable: a run killed in its clean-up goes on with it", arguments: StoreForm.allCases)
    func kill(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let first = flow(engine.client, journal)
            try await engine.run()
            let run = try await first.start("wait")
            try await engine.untilWaiting(run.id, for: "s")
            try await run.cancel(by: "ops")
            try await engine.untilSleeping(run.id)
            try await engine.kill(downtime: .seconds(10))
            let again = flow(engine.client, journal)
            try await engine.run()
            await #expect(throws: RunCancelledError.self) { _ = try await again.run(run.id).result() }
            #expect(journal.notes == ["cancelled", "released false", "cancelled", "told"])
        }
    }

    @Test("Twice is once, and the first one's reason stands", arguments: StoreForm.allCases)
    func twice(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = flow(engine.client, Journal())
            try await engine.run()
            let run = try await flow.start("wait")
            try await engine.untilWaiting(run.id, for: "s")
            try await run.cancel(by: "first")
            try await run.cancel(by: "second")
            try await engine.untilSleeping(run.id)
            try await engine.client.cancel(run.id, by: "third")
            engine.clock.advance(by: .seconds(5))
            await #expect(throws: RunCancelledError(runID: run.id, by: "first", reason: "")) {
                _ = try await run.result()
            }
            try await run.cancel(by: "fourth")
            #expect(try await engine.kinds(of: run.id).count { $0 == .runCancelRequested } == 1)
        }
    }

    @Test("A run that has ended stays as it is", arguments: StoreForm.allCases)
    func ended(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("one", input: Int.self) { _, step in try await step.run("one") { 1 } }
            try await engine.run()
            let run = try await flow.start(1)
            _ = try await run.result()
            try await run.cancel()
            #expect(try await run.status() == .succeeded)
            #expect(try await run.result() == 1)
        }
    }

    @Test("Before its first step, and while it waits to be run again", arguments: StoreForm.allCases)
    func early(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let gate = Gate()
            let outside = engine.client.workflow("outside", input: Int.self) { _, step in
                journal.note("begins")
                await gate.pass()
                try await step.run("never") { journal.note("body") }
            }
            let failing = engine.client.workflow("failing", input: Int.self) { _, _ in throw Declined(code: 1) }
            try await engine.run()
            let run = try await outside.start(1)
            try await journal.until("begins")
            try await run.cancel()
            gate.open()
            await #expect(throws: RunCancelledError.self) { _ = try await run.result() }
            #expect(journal.notes == ["begins"])
            let other = try await failing.start(1)
            try await engine.untilRetrying(other.id)
            try await other.cancel(by: "ops")
            await #expect(throws: RunCancelledError.self) { _ = try await other.result() }
            #expect(try await engine.read { try $0.timers(dueBefore: .distantFuture, limit: 10).isEmpty })
        }
    }

    @Test("A run whose code is not here is cancelled when the code comes", arguments: StoreForm.allCases)
    func unregistered(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let first = flow(engine.client, journal)
            try await engine.run()
            let run = try await first.start("wait")
            try await engine.untilWaiting(run.id, for: "s")
            try await engine.restart()
            try await engine.run()
            try await engine.client.cancel(run.id, by: "ops")
            try await engine.client.cancel(run.id, by: "again")
            try await engine.restart()
            try await engine.run()
            let again = flow(engine.client, journal)
            try await engine.untilSleeping(run.id)
            engine.clock.advance(by: .seconds(5))
            await #expect(throws: RunCancelledError(runID: run.id, by: "ops", reason: "")) {
                _ = try await again.run(run.id).result()
            }
            #expect(journal.notes == ["cancelled", "released false", "told"])
        }
    }

    @Test("A function that ignores its cancellation ends as cancelled all the same", arguments: StoreForm.allCases)
    func ignoring(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("stubborn", input: Int.self) { _, step -> Int in
                do { _ = try await step.waitForSignal("w", signal: "s", as: Int.self) } catch {}
                return 1
            }
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.untilWaiting(run.id, for: "s")
            try await run.cancel()
            await #expect(throws: RunCancelledError.self) { _ = try await run.result() }
        }
    }

    @Test("A held run is cancelled at once", arguments: StoreForm.allCases)
    func held(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let first = engine.client.workflow("change", input: Int.self) { _, step in
                _ = try await step.waitForSignal("a", signal: "s", as: Int.self)
            }
            try await engine.run()
            let run = try await first.start(1)
            try await engine.untilWaiting(run.id, for: "s")
            try await engine.restart()
            let changed = engine.client.workflow("change", input: Int.self) { _, step in
                try await step.run("a") {}
            }
            try await engine.run()
            try await engine.until(run.id, "held") { $0.status == .held }
            try await engine.client.cancel(run.id, by: "ops")
            await #expect(throws: RunCancelledError(runID: run.id, by: "ops", reason: "")) {
                _ = try await changed.run(run.id).result()
            }
        }
    }
}
