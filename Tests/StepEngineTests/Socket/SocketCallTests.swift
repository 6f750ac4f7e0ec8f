import StepCore
import StepEngine
import StepEvents
import StepKit
import TestSupport
import Testing

/// An engine and clients of its socket, in one process: each call, each end that it can come to.
@Suite("An engine used through its socket", .timeLimit(.minutes(5)))
struct SocketCallTests {
    /// The workflows that both sides register.
    struct Flows {
        let echo: Workflow<String, String>
        let wait: Workflow<String, Int>
        let fail: Workflow<Int, String>

        init(_ client: Client) {
            echo = client.workflow("echo", input: String.self) { context, _ in context.input }
            wait = client.workflow("wait", input: String.self) { context, step in
                try await step.waitForSignal("signal", signal: context.input, as: Int.self) ?? 0
            }
            let options = WorkflowOptions(retry: .never)
            fail = client.workflow("fail", input: Int.self, options: options) { context, step in
                try await step.run("decline", retry: .never) { () async throws -> String in
                    throw Declined(code: context.input)
                }
            }
        }
    }

    private func withBoth(
        configure: (inout ClientOptions) -> Void = { _ in },
        _ body: (_ engine: Client, _ path: String, _ web: Client, _ flows: Flows) async throws -> Void
    ) async throws {
        let directory = try TemporaryDirectory()
        let path = directory.appending("store")
        try await Client.withClient(id: "worker", driver: .lmdb(path: path), configure: configure) { engine in
            _ = Flows(engine)
            let web = try await socketClient(path)
            do { try await body(engine, path, web, Flows(web)) } catch {
                await web.close()
                throw error
            }
            await web.close()
        }
    }

    @Test("Every call arrives, and its answer comes back")
    func calls() async throws {
        try await withBoth { _, _, web, flows in
            let run = try await flows.wait.start("ready", id: "one")
            #expect(try await flows.wait.start("ready", id: "one").id == run.id)
            #expect(try await flows.wait.run(id: "one")?.id == run.id)
            #expect(try await flows.wait.run(id: "two") == nil)
            #expect(try await flows.wait.run(id: String(repeating: "k", count: 100_000)) == nil)
            #expect(try await flows.wait.run(run.id).key == "one")
            #expect(try await !run.status().isFinal)
            #expect(try await web.signal("nobody", 1, deliver: .all) == nil)
            // Kept, so it arrives whether the run has come to its wait or not.
            _ = try await web.signal("ready", 42, ifNobodyWaits: .keep(for: .seconds(60)), idempotencyKey: "k")
            #expect(try await run.result() == 42)
            #expect(try await run.status() == .succeeded)
            let cancelled = try await flows.wait.start("never")
            try await cancelled.cancel(by: "me", reason: "enough")
            let error = await #expect(throws: RunCancelledError.self) { try await cancelled.result() }
            #expect(error == RunCancelledError(runID: cancelled.id, by: "me", reason: "enough"))
        }
    }

    @Test("Ends and refusals keep their types and fields")
    func errors() async throws {
        try await withBoth { _, _, web, flows in
            let first = try await flows.echo.start("a", id: "one")
            let conflict = await #expect(throws: RunKeyConflict.self) { try await flows.echo.start("b", id: "one") }
            #expect(conflict == RunKeyConflict(workflow: "echo", key: "one", existing: first.id))
            await #expect(throws: RunKeyConflict.self) {
                try await flows.echo.start("a", id: "one", ifExists: .fail)
            }
            let failed = try await flows.fail.start(7)
            let failure = await #expect(throws: RunFailedError.self) { try await failed.result() }
            #expect(failure?.runID == failed.id)
            #expect(failure?.failure.type.contains("StepError") == true)
            await #expect(throws: RunNotFound.self) { try await web.cancel(someRun) }
            let waiting = try await flows.wait.start("typed")
            var rejected: InvalidPayloadError?
            while rejected == nil {
                // Until the run has come to its wait, nobody is there to reject it.
                do { _ = try await web.signal("typed", "no number") } catch let error as InvalidPayloadError {
                    rejected = error
                }
                await Task.yield()
            }
            #expect(rejected?.runID == waiting.id)
            #expect(rejected?.signal == "typed")
        }
    }

    @Test("What the engine refuses to take is refused by type, and the connection lives on")
    func refusals() async throws {
        try await withBoth(configure: { $0.payloadLimit = 1_000 }) { _, path, web, flows in
            // Another process may know the workflow by another input.
            let other = try await socketClient(path)
            let wrong = other.workflow("echo", input: Int.self) { _, _ in 1 }
            await #expect(throws: InvalidInputError.self) { try await wrong.start(1) }
            // Its version of the workflow is not here, so who knows what it takes.
            let newer = other.workflow("wait", input: Int.self, version: 2) { _, _ in 1 }
            _ = try await newer.start(1)
            await other.close()
            // This client's own limit is larger.
            let large = await #expect(throws: PayloadTooLarge.self) {
                try await flows.echo.start(String(repeating: "x", count: 2_000))
            }
            #expect(large?.limit == 1_000)
            await #expect(throws: PayloadTooLarge.self) {
                try await flows.echo.start(String(repeating: "x", count: 1_000_000))
            }
            await #expect(throws: PayloadTooLarge.self) {
                try await web.signal("signal", String(repeating: "x", count: 2_000))
            }
            #expect(try await flows.echo.start("still here").result() == "still here")
        }
    }

    @Test("A workflow that the engine does not know waits until it does")
    func unknownWorkflow() async throws {
        try await withBoth { engine, _, web, _ in
            let later = web.workflow("later", input: Int.self) { context, _ in context.input + 1 }
            let run = try await later.start(1, id: "one")
            let result = Task { try await run.result() }
            engine.workflow("later", input: Int.self) { context, _ in context.input + 1 }
            #expect(try await result.value == 2)
        }
    }

    @Test("A wait holds up nobody, and ending it ends nothing else")
    func waits() async throws {
        try await withBoth { _, path, web, flows in
            let run = try await flows.wait.start("late")
            let waits = (0..<50).map { _ in Task { try await run.result() } }
            let second = try await socketClient(path)
            let same = try await Flows(second).wait.run(run.id)
            let patient = Task { try await same.result() }
            #expect(try await flows.echo.start("meanwhile").result() == "meanwhile")
            for wait in waits {
                wait.cancel()
                await #expect(throws: CancellationError.self) { try await wait.value }
            }
            #expect(try await flows.echo.start("after").result() == "after")
            _ = try await web.signal("late", 3, ifNobodyWaits: .keep(for: .seconds(60)))
            #expect(try await patient.value == 3)
            await second.close()
            await #expect(throws: EngineStopped.self) { try await same.result() }
        }
    }

    @Test("A client is a service that does nothing, and registers each workflow once")
    func service() async throws {
        let directory = try TemporaryDirectory()
        let web = try await Client(id: "web", driver: .lmdb(path: directory.path, role: .client))
        let flow = web.workflow("one", input: Int.self) { _, _ in 1 }
        let twice = web.workflow("one", input: Int.self) { _, _ in 2 }
        await #expect(throws: RegistrationError.self) { try await twice.start(1) }
        let running = Task { try await web.run() }
        running.cancel()
        try await running.value
        try await Client.withClient(id: "web", driver: SocketDriver(directory: directory.path)) { _ in }
        await web.close()
        await #expect(throws: EngineStopped.self) { try await web.run() }
        await #expect(throws: EngineStopped.self) { try await flow.start(1) }
    }
}
