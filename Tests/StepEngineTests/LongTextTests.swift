import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Texts of any length", .timeLimit(.minutes(5)))
struct LongTextTests {
    private struct Wordy: Error, CustomStringConvertible {
        let description: String
    }

    /// One character of many bytes each, so that counting characters says nothing about bytes.
    private static let long = String(repeating: "\u{1F469}\u{200D}\u{1F469}\u{200D}\u{1F467}", count: 4_000)

    @Test("A run whose errors say very much can be read after a restart", arguments: StoreForm.allCases)
    func errors(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            func register() -> Workflow<Int, String> {
                engine.client.workflow("wordy", input: Int.self) { _, step -> String in
                    do {
                        try await step.run("say") {
                            throw NonRetryableError("failed", underlying: Wordy(description: Self.long))
                        }
                        return "no error"
                    } catch let error as StepError {
                        _ = try await step.waitForSignal("go", signal: "go", as: Int.self)
                        return error.message
                    }
                }
            }
            let flow = register()
            try await engine.run()
            let id = try await flow.start(1).id
            try await engine.untilWaiting(id, for: "go")
            try await engine.restart()
            let again = register()
            try await engine.run()
            try await engine.untilWaiting(id, for: "go")
            #expect(try await engine.client.signal("go", 1, ifNobodyWaits: .keep(for: .seconds(10))) == id)
            #expect(try await again.run(id).result().contains("failed"))
        }
    }

    @Test("Who cancels a run, and why, may be long", arguments: StoreForm.allCases)
    func cancellations(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("wait", input: Int.self) { _, step in
                _ = try await step.waitForSignal("w", signal: "s", as: Int.self)
            }
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.untilWaiting(run.id, for: "s")
            try await run.cancel(by: Self.long, reason: Self.long)
            await #expect(throws: RunCancelledError.self) { _ = try await run.result() }
            let cancel = try #require(try await engine.state(of: run.id)?.cancel)
            for text in [cancel.by, cancel.reason] {
                let isTheBeginning = Self.long.utf8.starts(with: text.utf8)
                #expect(isTheBeginning)
            }
            #expect(cancel.reason.utf8.count > 2_000)
        }
    }

    @Test("A workflow whose id is too long to be recorded can't be invoked", arguments: StoreForm.allCases)
    func invoked(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let child = engine.client.workflow(String(repeating: "c", count: 600), input: Int.self) { _, _ in 1 }
            let parent = engine.client.workflow(
                "parent", input: Int.self, options: WorkflowOptions(retry: .never)
            ) { _, step in try await step.invoke("child", child, 1) }
            try await engine.run()
            let run = try await parent.start(1)
            #expect(try await failure(of: run)?.type == "StepCore.RegistrationError")
        }
    }
}
