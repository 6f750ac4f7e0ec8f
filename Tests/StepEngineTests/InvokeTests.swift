import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Runs that run others", .timeLimit(.minutes(5)))
struct InvokeTests {
    /// A child that does what its input says.
    private func child(_ client: Client, _ journal: Journal = Journal()) -> Workflow<String, Int> {
        client.workflow("child", input: String.self) { context, step in
            journal.note("child \(context.input)")
            switch context.input {
            case "fail": try await step.run("fail", retry: .never) { throw Declined(code: 9) }
            case "wait":
                do { return try await step.waitForSignal("go", signal: "go", as: Int.self) ?? -1 } catch {
                    journal.note("child cancelled \(error is CancellationError)")
                    throw error
                }
            default: break
            }
            return try await step.run("work") { journal.counting("child's work") }
        }
    }

    @Test("A child's output is its parent's", arguments: StoreForm.allCases)
    func output(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let child = child(engine.client)
            let parent = engine.client.workflow("parent", input: Int.self) { _, step in
                let first = try await step.invoke("a", child, "work")
                return first + (try await step.invoke("b", child, "work")) * 10
            }
            try await engine.run()
            let run = try await parent.start(1)
            #expect(try await run.result() == 21)
            let kinds: [EventKind] = [
                .runStarted, .invokeStarted, .invokeFinished, .invokeStarted, .invokeFinished, .runSucceeded,
            ]
            #expect(try await engine.kinds(of: run.id) == kinds)
            #expect(try await engine.read { try $0.statistics().runs } == 3)
        }
    }

    @Test("A child's failure is a StepError with the child's run id", arguments: StoreForm.allCases)
    func failing(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let child = child(engine.client)
            let parent = engine.client.workflow("parent", input: Int.self) { context, step -> [String] in
                do {
                    _ = try await step.invoke("a", child, "fail")
                    return ["no error"]
                } catch let error as StepError {
                    return ["\(error.runID)", "\(error.runID == context.runID)", error.failure.causes[0].message]
                }
            }
            try await engine.run()
            let result = try await parent.start(1).result()
            #expect(result[1...] == ["false", "declined with code 9"])
            let id = try #require(RunID(result[0]))
            #expect(try await child.run(id).status() == .failed)
        }
    }

    @Test("A parent that waits is resumed after a kill; its child runs once", arguments: StoreForm.allCases)
    func kill(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            func register() -> Workflow<Int, Int> {
                let child = child(engine.client, journal)
                return engine.client.workflow("parent", input: Int.self) { _, step in
                    try await step.invoke("a", child, "wait")
                }
            }
            let parent = register()
            try await engine.run()
            let run = try await parent.start(1)
            try await engine.until("the child's wait") { try !$0.waiters(of: "go").isEmpty }
            try await engine.kill()
            let again = register()
            try await engine.run()
            #expect(try await engine.client.signal("go", 5) != nil)
            #expect(try await again.run(run.id).result() == 5)
            #expect(try await engine.read { try $0.statistics().runs } == 2)
        }
    }

    @Test("A child that ends while its parent's code is missing", arguments: StoreForm.allCases)
    func parentMissing(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            func parent(_ child: Workflow<String, Int>) -> Workflow<Int, Int> {
                engine.client.workflow("parent", input: Int.self) { _, step in
                    try await step.invoke("a", child, "wait")
                }
            }
            let first = parent(child(engine.client))
            try await engine.run()
            let run = try await first.start(1)
            try await engine.until("the child's wait") { try !$0.waiters(of: "go").isEmpty }
            try await engine.restart()
            let onlyChild = child(engine.client)
            try await engine.run()
            #expect(try await engine.client.signal("go", 5) != nil)
            try await engine.until("the child's end") { try $0.openRuns().count == 1 }
            #expect(try await parent(onlyChild).run(run.id).result() == 5)
        }
    }

    @Test("A child whose workflow is registered later", arguments: StoreForm.allCases)
    func childLater(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            // Known by name in this client, but not executed here: another client's handle.
            let other = try await Client(id: "other", driver: .inMemory)
            let handle = child(other)
            let parent = engine.client.workflow("parent", input: Int.self) { _, step in
                try await step.invoke("a", handle, "work")
            }
            try await engine.run()
            let run = try await parent.start(1)
            try await engine.until("the child's start") { try $0.openRuns().count == 2 }
            #expect(try await run.status() == .waiting)
            _ = child(engine.client)
            #expect(try await run.result() == 1)
            await other.close()
        }
    }

    @Test("Timeouts leave the child running, or cancel it", arguments: StoreForm.allCases, [false, true])
    func timeout(form: StoreForm, cancels: Bool) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let child = child(engine.client, journal)
            let parent = engine.client.workflow("parent", input: Int.self) { _, step -> String in
                do {
                    let action: ChildTimeoutAction = cancels ? .cancel : .leaveRunning
                    return "\(try await step.invoke("a", child, "wait", timeout: .seconds(50), onTimeout: action))"
                } catch let error as InvokeTimeoutError {
                    return "\(error.runID)"
                }
            }
            try await engine.run()
            let run = try await parent.start(1)
            try await engine.until("the child's wait") { try !$0.waiters(of: "go").isEmpty }
            try await engine.clock.untilAlarm(within: .seconds(50))
            engine.clock.advance(by: .seconds(50))
            let id = try #require(RunID(try await run.result()))
            if cancels {
                try await engine.until(id, "the child's end") { $0.status == .cancelled }
                #expect(journal.notes.contains("child cancelled true"))
            } else {
                #expect(try await engine.client.signal("go", 5) == id)
                #expect(try await child.run(id).result() == 5)
            }
        }
    }

    @Test("Cancelling a parent cancels its children, unless detached", arguments: StoreForm.allCases, [false, true])
    func cascade(form: StoreForm, detached: Bool) async throws {
        try await withEngine(form) { engine in
            let child = child(engine.client)
            let parent = engine.client.workflow("parent", input: Int.self) { _, step in
                try await step.invoke("a", child, "wait", detached: detached)
            }
            try await engine.run()
            let run = try await parent.start(1)
            try await engine.until("the child's wait") { try !$0.waiters(of: "go").isEmpty }
            let childID = try #require(
                try await engine.history(of: run.id).compactMap { event -> RunID? in
                    if case .invokeStarted(let body) = event.body { body.child } else { nil }
                }.first)
            try await run.cancel(reason: "enough")
            await #expect(throws: RunCancelledError.self) { _ = try await run.result() }
            if detached {
                #expect(try await engine.client.signal("go", 5) == childID)
                #expect(try await child.run(childID).result() == 5)
            } else {
                try await engine.until(childID, "the child's end") { $0.status == .cancelled }
                let cancelled = try #require(try await engine.state(of: childID)?.cancel)
                #expect(cancelled.by.contains("\(run.id)"))
            }
        }
    }

    @Test("Grandchildren, many at once", arguments: StoreForm.allCases)
    func tree(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let leaf = engine.client.workflow("leaf", input: Int.self) { context, step in
                try await step.run("double") { context.input * 2 }
            }
            let branch = engine.client.workflow("branch", input: Int.self) { context, step in
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for number in 0..<4 {
                        group.addTask { try await step.invoke("leaf \(number)", leaf, context.input + number) }
                    }
                    return try await group.reduce(0, +)
                }
            }
            let root = engine.client.workflow("root", input: Int.self) { _, step in
                async let first = step.invoke("one", branch, 100)
                async let second = step.invoke("two", branch, 200)
                return try await first + second
            }
            try await engine.run()
            #expect(try await root.start(1).result() == 2 * (4 * 300 + 12))
            #expect(try await engine.read { try $0.statistics().runs } == 11)
        }
    }

    @Test("A cancelled child is a StepError for its parent", arguments: StoreForm.allCases)
    func cancelledChild(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let child = child(engine.client)
            let parent = engine.client.workflow("parent", input: Int.self) { _, step -> String in
                do { return "\(try await step.invoke("a", child, "wait"))" } catch let error as StepError {
                    return error.typeName
                }
            }
            try await engine.run()
            let run = try await parent.start(1)
            try await engine.until("the child's wait") { try !$0.waiters(of: "go").isEmpty }
            let number = try await engine.read { try $0.waiters(of: "go").first?.run }
            let id = try await engine.read { try $0.run(try #require(number))?.id }
            try await engine.client.cancel(try #require(id))
            #expect(try await run.result() == "StepCore.RunCancelledError")
        }
    }
}
