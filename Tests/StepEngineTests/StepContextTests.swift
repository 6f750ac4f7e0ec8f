import Logging
import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("What bodies know of themselves", .timeLimit(.minutes(5)))
struct StepContextTests {
    @TaskLocal static var tenant = "none"

    @Test("Ids, attempt, last failure; one idempotency key over attempts and restarts", arguments: StoreForm.allCases)
    func facts(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let gate = Gate()
            func register() -> Workflow<Int, Int> {
                engine.client.workflow("w", input: Int.self) { _, step in
                    try await step.group("g") { step in
                        _ = try await step.run("work") { 0 }
                        return try await step.run("work", retry: .fixed(maxAttempts: 4, delay: .seconds(1))) {
                            context in
                            journal.note("key \(context.idempotencyKey)")
                            journal.note(
                                "\(context.scope) \(context.stepID) \(context.occurrence) \(context.attempt) "
                                    + "\(context.lastFailure?.message ?? "-")")
                            if context.attempt == 1 { throw Declined(code: 8) }
                            if context.attempt == 2 { await gate.pass() }
                            return context.attempt
                        }
                    }
                }
            }
            let flow = register()
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.untilRetrying(run.id)
            engine.clock.advance(by: .seconds(2))
            try await gate.reached()
            try await engine.kill()
            gate.open()
            let again = register()
            try await engine.run()
            #expect(try await again.run(run.id).result() == 3)
            let facts = journal.notes.filter { !$0.hasPrefix("key") }
            #expect(
                facts == [
                    "g work 1 1 -", "g work 1 2 declined with code 8", "g work 1 3 declined with code 8",
                ])
            let keys = Set(journal.notes.filter { $0.hasPrefix("key") })
            #expect(keys.count == 1)
            #expect(keys.first?.contains("\(run.id)") == true)
        }
    }

    @Test("Each step of each run has a key of its own", arguments: StoreForm.allCases)
    func keys(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let flow = engine.client.workflow("w", input: Int.self) { _, step in
                for _ in 0..<3 { try await step.run("a") { journal.note($0.idempotencyKey) } }
                try await step.group("a") { step in
                    try await step.run("a") { journal.note($0.idempotencyKey) }
                }
            }
            try await engine.run()
            _ = try await flow.start(1).result()
            _ = try await flow.start(1).result()
            #expect(Set(journal.notes).count == 8)
        }
    }

    @Test("Task-locals reach bodies, also on later attempts", arguments: StoreForm.allCases)
    func taskLocals(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("w", input: Int.self) { _, step in
                try await Self.$tenant.withValue("acme") {
                    try await step.run("work", retry: .fixed(maxAttempts: 2, delay: .zero)) { context -> String in
                        if context.attempt == 1 { throw Declined(code: 1) }
                        let isSame = StepContext.current?.idempotencyKey == context.idempotencyKey
                        return "\(Self.tenant) \(isSame)"
                    }
                }
            }
            try await engine.run()
            #expect(StepContext.current == nil)
            let run = try await flow.start(1)
            try await engine.passTime(until: run.id)
            #expect(try await run.result() == "acme true")
        }
    }

    @Test("A body's logger names run, step and attempt", arguments: StoreForm.allCases)
    func logger(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("w", input: Int.self) { _, step in
                try await step.run("work") { $0.logger.info("here") }
            }
            try await engine.run()
            let run = try await flow.start(1)
            _ = try await run.result()
            let line = try #require(engine.logs.lines.first { $0.message == "here" })
            #expect(line.metadata["run"] == "\(run.id)")
            #expect(line.metadata["step"] == "work")
            #expect(line.metadata["attempt"] == "1")
            #expect(line.metadata["workflow"] == "w")
        }
    }
}
