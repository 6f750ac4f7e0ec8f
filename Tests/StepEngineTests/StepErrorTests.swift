import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Errors of steps and of workflow functions", .timeLimit(.minutes(5)))
struct StepErrorTests {
    @Test("An exhausted step throws one StepError that can be caught and decoded", arguments: StoreForm.allCases)
    func caught(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("catch", input: Int.self) { context, step -> [String] in
                do {
                    try await step.run(
                        "pay", retry: .fixed(maxAttempts: 2, delay: .seconds(1)), throwing: Declined.self
                    ) {
                        throw Declined(code: 51)
                    }
                    return ["no error"]
                } catch let error as StepError {
                    let next = try await step.run("next") { "next" }
                    return [
                        "\(error.runID == context.runID)", "\(error.step)", "\(error.attempts)", error.typeName,
                        error.message, "\(error.original(as: Declined.self)?.code ?? 0)",
                        "\(error.original(as: Other.self) == nil)", next,
                    ]
                }
            }
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.passTime(until: run.id)
            let expected = [
                "true", "pay", "2", String(reflecting: Declined.self), "declined with code 51", "51", "true", "next",
            ]
            #expect(try await run.result() == expected)
        }
    }

    struct Other: Error, Codable {}

    @Test("A caught error is the same on replay", arguments: StoreForm.allCases)
    func replayed(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            func register() -> Workflow<Int, Int> {
                engine.client.workflow("catch", input: Int.self) { _, step -> Int in
                    do {
                        try await step.run("pay", retry: .never) {
                            journal.note("pay")
                            throw Declined(code: 51)
                        }
                        return 0
                    } catch let error as StepError {
                        journal.note("caught \(error)")
                        _ = try await step.waitForSignal("go", signal: "go", as: Int.self)
                        return error.original(as: Declined.self)?.code ?? -1
                    }
                }
            }
            let flow = register()
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.untilWaiting(run.id, for: "go")
            try await engine.kill()
            let again = register()
            try await engine.run()
            try await journal.until { $0.count == 3 }
            #expect(try await engine.client.signal("go", 1) == run.id)
            #expect(try await again.run(run.id).result() == 51)
            #expect(journal.count("pay") == 1)
            #expect(journal.notes[1] == journal.notes[2])
        }
    }

    @Test("Errors that don't encode keep their type, text and place", arguments: StoreForm.allCases)
    func opaque(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let line = #line + 2
            let flow = engine.client.workflow("opaque", input: Int.self) { _, step in
                try await step.run("pay", retry: .never) { throw Opaque() }
            }
            try await engine.run()
            let run = try await flow.start(1)
            _ = try await failure(of: run)
            let failed = try await engine.history(of: run.id).compactMap { event -> Failure? in
                if case .stepFailed(let body) = event.body { body.failure } else { nil }
            }
            #expect(failed.first?.type == String(reflecting: Opaque.self))
            #expect(failed.first?.message == "something opaque")
            #expect(failed.first?.site == "StepEngineTests/StepErrorTests.swift:\(line)")
        }
    }

    @Test("Chains of causes are kept, and cut where they have no end", arguments: StoreForm.allCases)
    func causes(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("causes", input: Int.self) { context, step in
                try await step.run("pay") {
                    var error: any Error = Declined(code: 1)
                    for depth in 0..<context.input { error = NonRetryableError("level \(depth)", underlying: error) }
                    throw error
                }
            }
            try await engine.run()
            let short = try #require(try await failure(of: try await flow.start(2)))
            #expect(short.causes.map(\.message) == ["level 1", "level 0", "declined with code 1"])
            let long = try #require(try await failure(of: try await flow.start(100)))
            #expect(long.causes.count == 16)
        }
    }

    @Test("A huge message is cut, not refused", arguments: StoreForm.allCases)
    func huge(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("huge", input: Int.self) { _, step in
                try await step.run("pay") { throw NonRetryableError(String(repeating: "é", count: 100_000)) }
            }
            try await engine.run()
            let failure = try #require(try await failure(of: try await flow.start(1)))
            #expect(failure.message.utf8.count <= 16 << 10)
            #expect(failure.message.contains("ééé"))
        }
    }

    @Test("A StepError that leaves the function fails the run at once", arguments: StoreForm.allCases)
    func uncaught(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let flow = engine.client.workflow("fail", input: Int.self) { _, step in
                journal.note("function")
                try await step.run("pay", retry: .never) { throw Declined(code: 4) }
            }
            try await engine.run()
            let run = try await flow.start(1)
            let failure = try #require(try await failure(of: run))
            #expect(failure.type == "StepCore.StepError")
            #expect(failure.causes.first?.type == String(reflecting: Declined.self))
            #expect(journal.notes == ["function"])
            do {
                _ = try await run.result()
            } catch let error as RunFailedError {
                #expect(error.runID == run.id)
                #expect(error.description.contains("declined with code 4"))
            }
        }
    }

    @Test(
        "Another error runs the function again, finished steps stay, then the run fails", arguments: StoreForm.allCases)
    func functionThrows(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let flow = engine.client.workflow("throw", input: Int.self) { _, step in
                journal.note("function")
                try await step.run("work") { journal.note("work") }
                throw Declined(code: 6)
            }
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.passTime(until: run.id)
            let failure = try #require(try await failure(of: run))
            #expect(failure.type == String(reflecting: Declined.self))
            #expect(journal.count("function") == 4)
            #expect(journal.count("work") == 1)
            do {
                _ = try await run.result()
            } catch let error as RunFailedError {
                #expect(error.original(as: Declined.self) == Declined(code: 6))
            }
            let state = try #require(try await engine.state(of: run.id))
            #expect(state.attempt == 4)
        }
    }

    @Test(
        "A function that throws once goes on with its next attempt, also in another process",
        arguments: StoreForm.allCases)
    func functionRecovers(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            func register() -> Workflow<Int, Int> {
                engine.client.workflow("throw", input: Int.self) { _, step in
                    let value = try await step.run("work") { journal.counting("work") }
                    if journal.counting("function") == 1 { throw Declined(code: 6) }
                    return value
                }
            }
            let flow = register()
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.untilRetrying(run.id)
            #expect(try await run.status() == .waiting)
            try await engine.kill(downtime: .seconds(60))
            let again = register()
            try await engine.run()
            try await engine.passTime(until: run.id)
            #expect(try await again.run(run.id).result() == 1)
        }
    }

    @Test("The workflow's own policy decides about its function", arguments: StoreForm.allCases)
    func functionPolicy(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            var refusing = RetryPolicy.default
            refusing.shouldRetry = { !($0 is Declined) }
            for (name, options) in [("never", RetryPolicy.never), ("refusing", refusing)] {
                let flow = engine.client.workflow(name, input: Int.self, options: WorkflowOptions(retry: options)) {
                    _, _ in
                    journal.note(name)
                    throw Declined(code: 6)
                }
                try await engine.run()
                let run = try await flow.start(1)
                #expect(try await failure(of: run)?.type == String(reflecting: Declined.self))
                #expect(journal.count(name) == 1)
            }
        }
    }
}
