import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Starting runs", .timeLimit(.minutes(5)))
struct StartTests {
    private func echo(_ client: Client) -> Workflow<String, String> {
        client.workflow("echo", input: String.self) { context, step in
            try await step.run("say") { context.input }
        }
    }

    @Test("The same key and input give the same run", arguments: StoreForm.allCases)
    func sameRun(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = echo(engine.client)
            try await engine.run()
            let first = try await flow.start("a", id: "k")
            let second = try await flow.start("a", id: "k")
            #expect(first.id == second.id)
            #expect(try await first.result() == "a")
            #expect(try await flow.start("a", id: "k").id == first.id, "also once it has ended")
            #expect(try await engine.read { try $0.statistics().runs } == 1)
        }
    }

    @Test("The same key with another input is a conflict that names the run", arguments: StoreForm.allCases)
    func conflict(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = echo(engine.client)
            try await engine.run()
            let first = try await flow.start("a", id: "k")
            await #expect(throws: RunKeyConflict.self) { _ = try await flow.start("b", id: "k") }
            await #expect(throws: RunKeyConflict.self) { _ = try await flow.start("a", id: "k", ifExists: .fail) }
            do {
                _ = try await flow.start("b", id: "k")
            } catch let error as RunKeyConflict {
                #expect(error.existing == first.id)
                #expect(error.key == "k")
            }
            #expect(try await first.result() == "a")
            #expect(try await engine.read { try $0.statistics().runs } == 1)
        }
    }

    @Test("The key of one workflow is free in another", arguments: StoreForm.allCases)
    func perWorkflow(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = echo(engine.client)
            let other = engine.client.workflow("other", input: Int.self) { context, _ in context.input + 1 }
            try await engine.run()
            let first = try await flow.start("a", id: "k")
            let second = try await other.start(1, id: "k")
            #expect(first.id != second.id)
            #expect(try await second.result() == 2)
        }
    }

    @Test("Concurrent starts of one key are one run", arguments: StoreForm.allCases)
    func concurrent(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = echo(engine.client)
            try await engine.run()
            let ids = try await withThrowingTaskGroup(of: RunID.self) { group in
                for _ in 0..<50 { group.addTask { try await flow.start("a", id: "k").id } }
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
            #expect(ids.count == 1)
            #expect(try await engine.read { try $0.statistics().runs } == 1)
        }
    }

    @Test("However a hundred starts of one key meet, they are one run", arguments: StoreForm.allCases)
    func race(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = echo(engine.client)
            try await engine.run()
            for key in 0..<10 {
                let ids = try await withThrowingTaskGroup(of: RunID.self) { group in
                    for _ in 0..<100 { group.addTask { try await flow.start("a", id: "\(key)").id } }
                    return try await group.reduce(into: Set()) { $0.insert($1) }
                }
                #expect(ids.count == 1)
            }
            #expect(try await engine.read { try $0.statistics().runs } == 10)
        }
    }

    @Test("A finished run's key can be given to a new one", arguments: StoreForm.allCases)
    func restart(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("wait", input: String.self) { context, step in
                let number = try await step.waitForSignal("w", signal: context.input, as: Int.self)
                return "\(context.input) \(number ?? 0)"
            }
            try await engine.run()
            let first = try await flow.start("a", id: "k", ifExists: .restartIfFinished)
            #expect(try await flow.start("a", id: "k", ifExists: .restartIfFinished).id == first.id)
            await #expect(throws: RunKeyConflict.self) {
                _ = try await flow.start("b", id: "k", ifExists: .restartIfFinished)
            }
            try await engine.untilWaiting(first.id, for: "a")
            #expect(try await engine.client.signal("a", 1) == first.id)
            #expect(try await first.result() == "a 1")
            let ids = try await withThrowingTaskGroup(of: RunID.self) { group in
                for _ in 0..<20 {
                    group.addTask { try await flow.start("b", id: "k", ifExists: .restartIfFinished).id }
                }
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
            #expect(ids.count == 1 && !ids.contains(first.id))
            let second = try #require(try await flow.run(id: "k"))
            #expect(ids == [second.id])
            #expect(try await flow.start("b", id: "k").id == second.id)
            try await engine.untilWaiting(second.id, for: "b")
            #expect(try await engine.client.signal("b", 2) == second.id)
            #expect(try await second.result() == "b 2")
            #expect(try await first.result() == "a 1", "the finished run is as it was")
        }
    }

    private struct Tags: Codable, Sendable { var tags: Set<Int> }

    @Test("Inputs are equal whatever the order in which another process had stored their elements")
    func equalInputs() async throws {
        try await withEngine(.memory) { engine in
            var script = RunScript()
            var ids: [RunID] = []
            for (key, input) in [("a", "[1,2]"), ("b", "[2,1]")] {
                let (run, command) = try script.start(workflow: "set", key: key, input: Payload(json: input))
                ids.append(try #require(script.states[run]).start.id)
                try engine.log.submit(command)
            }
            let (run, command) = try script.start(
                workflow: "tags", key: "c", input: Payload(json: "{ \"tags\": [1], \"since\": 2 }"))
            ids.append(try #require(script.states[run]).start.id)
            try engine.log.submit(command)
            let last = ids[2]
            try await engine.until { try $0.run(id: last) != nil }
            let sets = engine.client.workflow("set", input: Set<Int>.self) { context, _ in context.input.count }
            let tags = engine.client.workflow("tags", input: Tags.self) { context, _ in context.input.tags.count }
            #expect(try await sets.start([1, 2], id: "a").id == ids[0])
            #expect(try await sets.start([2, 1], id: "b").id == ids[1])
            #expect(try await tags.start(Tags(tags: [1]), id: "c").id == ids[2])
            await #expect(throws: RunKeyConflict.self) { _ = try await sets.start([1, 3], id: "a") }
            await #expect(throws: RunKeyConflict.self) { _ = try await tags.start(Tags(tags: [3]), id: "c") }
        }
    }

    @Test("Each of many runs that start at once is executed once", arguments: StoreForm.allCases)
    func many(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let flow = engine.client.workflow("count", input: Int.self) { context, step in
                try await step.run("note") { journal.counting("\(context.input)") }
            }
            // Before, while and after the engine begins to run.
            let early = try await flow.start(-1)
            try await engine.run()
            try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<300 { group.addTask { try await flow.start(number, id: "\(number)").result() } }
                for try await count in group { #expect(count == 1) }
            }
            try await engine.until(early.id) { $0.status.isFinal }
            #expect(journal.notes.count == 301)
        }
    }

    @Test("Without a key each start is a run of its own", arguments: StoreForm.allCases)
    func keyless(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = echo(engine.client)
            try await engine.run()
            let runs = [try await flow.start("a"), try await flow.start("a")]
            #expect(runs[0].id != runs[1].id)
            for run in runs { #expect(try await run.result() == "a") }
        }
    }

    @Test("A start before the engine runs is executed once it does", arguments: StoreForm.allCases)
    func beforeRunning(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = echo(engine.client)
            let run = try await flow.start("a", id: "k")
            #expect(try await run.status() == .queued)
            try await engine.run()
            // `run()` has begun when a later start is executed.
            try await engine.until(run.id, "its end") { $0.status.isFinal }
            #expect(try await run.result() == "a")
        }
    }

    @Test("A start is durable when it returns", arguments: StoreForm.allCases)
    func durable(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let run = try await echo(engine.client).start("a", id: "k")
            try await engine.kill()
            let flow = echo(engine.client)
            try await engine.run()
            #expect(try await flow.start("a", id: "k").id == run.id)
            try await engine.until(run.id, "its end") { $0.status.isFinal }
            #expect(try await flow.run(run.id).result() == "a")
        }
    }

    @Test("Keys of any text up to 512 bytes", arguments: StoreForm.allCases)
    func keys(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = echo(engine.client)
            try await engine.run()
            let long = String(repeating: "k", count: 512)
            let keys = ["../../etc/passwd", "ключ 鍵 🔑", "a\0b", String(long.dropLast()) + "x", long]
            for key in keys {
                let run = try await flow.start("a", id: key)
                #expect(try await flow.start("a", id: key).id == run.id)
                #expect(try await flow.run(id: key)?.id == run.id)
                #expect(try await run.result() == "a")
            }
            #expect(try await engine.read { try $0.statistics().runs } == keys.count)
            for key in ["", long + "k"] {
                await #expect(throws: InvalidStepID.self) { _ = try await flow.start("a", id: key) }
            }
        }
    }

    @Test("Unusable inputs are refused and nothing is stored", arguments: StoreForm.allCases)
    func unusable(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.payloadLimit = 1_000 }) { engine in
            let number = engine.client.workflow("number", input: Double.self) { context, _ in context.input }
            let broken = engine.client.workflow("broken", input: OneWay.self) { _, _ in 1 }
            let flow = echo(engine.client)
            try await engine.run()
            await #expect(throws: InvalidInputError.self) { _ = try await number.start(Double.nan) }
            await #expect(throws: InvalidInputError.self) { _ = try await number.start(Double.infinity, id: "k") }
            await #expect(throws: InvalidInputError.self) { _ = try await broken.start(OneWay()) }
            let large = String(repeating: "x", count: 999)
            await #expect(throws: PayloadTooLarge.self) { _ = try await flow.start(large) }
            let stored = try await engine.read { try $0.statistics().runs }
            #expect(stored == 0)
            // Two bytes of quotes are what is allowed on top.
            #expect(try await flow.start(String(large.dropLast())).result().count == 998)
        }
    }

    @Test("A workflow that can't be registered can't be started", arguments: StoreForm.allCases)
    func registration(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = echo(engine.client)
            let again = echo(engine.client)
            let nameless = engine.client.workflow("", input: Int.self) { _, _ in 1 }
            let huge = engine.client.workflow(String(repeating: "w", count: 513), input: Int.self) { _, _ in 1 }
            try await engine.run()
            await #expect(throws: RegistrationError.self) { _ = try await again.start("a") }
            await #expect(throws: RegistrationError.self) { _ = try await nameless.start(1) }
            await #expect(throws: RegistrationError.self) { _ = try await huge.start(1) }
            let result = try await flow.start("a").result()
            #expect(result == "a")
        }
    }
}
