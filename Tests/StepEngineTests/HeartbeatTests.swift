import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Bodies that tell of their progress", .timeLimit(.minutes(5)))
struct HeartbeatTests {
    struct Progress: Codable, Equatable, Sendable {
        var row: Int
        var ratio: Double
    }

    private static let patient = RetryPolicy.fixed(maxAttempts: 3, delay: .seconds(1), jitter: 0)

    /// What a body is told, in a word.
    private static func told(_ context: StepContext, _ details: some Encodable & Sendable = 7) async -> String {
        do {
            try await context.heartbeat(details)
            return "recorded"
        } catch {
            return "\(type(of: error))"
        }
    }

    private func heartbeats(_ engine: TestEngine, _ run: RunID) async throws -> [String] {
        try await engine.history(of: run).compactMap { event in
            if case .stepHeartbeat(let body) = event.body { body.details.description } else { nil }
        }
    }

    // MARK: What comes after

    @Test("The next attempt goes on from there, and so does a body of its own", arguments: StoreForm.allCases)
    func nextAttempt(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let flow = engine.client.workflow("import", input: Int.self) { context, step in
                try await step.run("rows", retry: Self.patient) { body in
                    var row = try body.lastHeartbeat(as: Progress.self)?.row ?? 0
                    journal.note("attempt \(body.attempt) from \(row)")
                    while row < context.input {
                        row += 1
                        try await body.heartbeat(Progress(row: row, ratio: 0.5))
                        if row == 2, body.attempt == 1 { throw Opaque() }
                        // This one fails before it has told anything.
                        if row == 3, body.attempt == 2 { throw Opaque() }
                    }
                    #expect(try body.lastHeartbeat() == Progress(row: row, ratio: 0.5))
                    return row
                }
            }
            try await engine.run()
            let run = try await flow.start(5)
            try await engine.passTime(until: run.id)
            #expect(try await run.result() == 5)
            #expect(journal.notes == ["attempt 1 from 0", "attempt 2 from 2", "attempt 3 from 3"])
            #expect(
                try await heartbeats(engine, run.id) == (1...5).map { #"{"ratio":0.5,"row":\#($0)}"# })
            let kinds = try await engine.kinds(of: run.id).filter { $0 != .stepHeartbeat }
            #expect(
                kinds == [
                    .runStarted, .stepStarted, .stepFailed, .stepStarted, .stepFailed, .stepStarted, .stepSucceeded,
                    .runSucceeded,
                ])
        }
    }

    @Test("After the process's death the next attempt goes on from there", arguments: StoreForm.allCases, [2, 100_000])
    func crash(form: StoreForm, count: Int) async throws {
        try await withEngine(form) { engine in
            let gate = Gate()
            let journal = Journal()
            func register() -> Workflow<Int, Int> {
                engine.client.workflow("import", input: Int.self) { _, step in
                    // Another step beside it, which must not take the one's for its own.
                    async let other = step.run("other") { try $0.lastHeartbeat(as: [Int].self) == nil ? 1 : -1 }
                    return try await step.run("rows") { body in
                        let done = try body.lastHeartbeat(as: [Int].self) ?? []
                        journal.note("\(done.count)")
                        guard done.isEmpty else { return done.count }
                        try await body.heartbeat([Int](repeating: 1, count: count))
                        await gate.pass()
                        return -1
                    } + other
                }
            }
            let flow = register()
            try await engine.run()
            let run = try await flow.start(1)
            try await gate.reached()
            try await engine.kill()
            let again = register()
            try await engine.run()
            #expect(try await again.run(run.id).result() == count + 1)
            #expect(journal.notes == ["0", "\(count)"])
            gate.open()
        }
    }

    @Test("A closure that finds out sees it, and records none", arguments: StoreForm.allCases, [true, false])
    func inspection(form: StoreForm, beats: Bool) async throws {
        try await withEngine(form) { engine in
            let gate = Gate()
            func register() -> Workflow<Int, String> {
                engine.client.workflow("import", input: Int.self) { _, step -> String in
                    let inspection = InterruptionPolicy<String>.inspect { context in
                        if beats { try await context.heartbeat(9) }
                        return .completed("had come to \(try context.lastHeartbeat(as: Int.self) ?? 0)")
                    }
                    do {
                        return try await step.run("rows", onInterrupted: inspection) { body in
                            try await body.heartbeat(7)
                            await gate.pass()
                            return "body"
                        }
                    } catch let error as StepError {
                        return error.typeName
                    }
                }
            }
            let flow = register()
            try await engine.run()
            let run = try await flow.start(1)
            try await gate.reached()
            try await engine.kill()
            let again = register()
            try await engine.run()
            let expected = beats ? "StepCore.InspectionHeartbeatError" : "had come to 7"
            #expect(try await again.run(run.id).result() == expected)
            #expect(try await heartbeats(engine, run.id) == ["7"])
            gate.open()
        }
    }

    @Test("Details of another type are an error that can be caught", arguments: StoreForm.allCases)
    func decoding(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("import", input: Bool.self) { context, step -> String in
                do {
                    return try await step.run("rows") { body in
                        try await body.heartbeat("seven")
                        if context.input { return (try? body.lastHeartbeat(as: Int.self)).map { _ in "" } ?? "caught" }
                        return "\(try body.lastHeartbeat(as: Int.self) ?? 0)"
                    }
                } catch let error as StepError {
                    return "\(error.typeName) after \(error.attempts): \(error.message.contains("a string"))"
                }
            }
            try await engine.run()
            #expect(try await flow.start(true).result() == "caught")
            #expect(try await flow.start(false).result() == "StepCore.HeartbeatDecodingError after 1: true")
        }
    }

    // MARK: What is refused

    @Test("Details that can't be stored are refused, and nothing is recorded", arguments: StoreForm.allCases)
    func refused(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.payloadLimit = 100 }) { engine in
            let flow = engine.client.workflow("import", input: Int.self) { _, step in
                try await step.run("rows") { body async throws -> [String] in
                    var told = [await Self.told(body, Double.nan), await Self.told(body, [Double.infinity])]
                    told.append(await Self.told(body, String(repeating: "x", count: 99)))
                    #expect(try body.lastHeartbeat(as: Int.self) == nil)
                    told.append(await Self.told(body, String(repeating: "x", count: 98)))
                    return told
                }
            }
            try await engine.run()
            let run = try await flow.start(1)
            let encoding = "ResultEncodingError"
            #expect(try await run.result() == [encoding, encoding, "PayloadTooLarge", "recorded"])
            #expect(try await heartbeats(engine, run.id).count == 1)
        }
    }

    @Test("A body that timed out is refused, also beside its successor", arguments: StoreForm.allCases)
    func late(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.abandonAfter = .seconds(30) }) { engine in
            let (late, current) = (Gate(), Gate())
            let journal = Journal()
            let flow = engine.client.workflow("deaf", input: Int.self) { _, step in
                try await step.run("rows", retry: Self.patient, timeout: .seconds(3)) { body -> Int in
                    if body.attempt == 1 {
                        try await body.heartbeat(1)
                        await late.pass()
                        journal.note(await Self.told(body, -1))
                    } else {
                        await current.pass()
                        journal.note(await Self.told(body, 2))
                    }
                    return try body.lastHeartbeat() ?? 0
                }
            }
            try await engine.run()
            let run = try await flow.start(1)
            try await late.reached()
            try await engine.clock.untilAlarm(within: .seconds(3))
            engine.clock.advance(by: .seconds(3))
            try await engine.untilRetrying(run.id)
            engine.clock.advance(by: .seconds(3))
            // No further than the end of the patience: the next attempt has a timeout too.
            try await engine.clock.untilAlarm(within: .seconds(30))
            engine.clock.advance(by: .seconds(30))
            try await current.reached()
            late.open()
            try await journal.until("CancellationError")
            current.open()
            #expect(try await run.result() == 2)
            #expect(journal.notes == ["CancellationError", "recorded"])
            #expect(try await heartbeats(engine, run.id) == ["1", "2"])
        }
    }

    @Test("A body of a cancelled run, or after its own end, is refused", arguments: StoreForm.allCases)
    func cancelled(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let gate = Gate()
            let journal = Journal()
            let flow = engine.client.workflow("deaf", input: Bool.self) { context, step in
                try await step.run("rows") { body in
                    if context.input {
                        await gate.pass()
                        journal.note(await Self.told(body))
                    } else {
                        Task {
                            await gate.pass()
                            journal.note(await Self.told(body))
                        }
                    }
                }
            }
            try await engine.run()
            _ = try await flow.start(false).result()
            let run = try await flow.start(true)
            try await gate.reached(2)
            try await run.cancel(by: "ops")
            try await engine.until(run.id) { $0.status.isFinal }
            gate.open()
            try await journal.until("CancellationError", count: 2)
            #expect(try await heartbeats(engine, run.id) == [])
        }
    }

    // MARK: Durability

    @Test("When it returns it is durable, and many at once end in the order of the log", arguments: StoreForm.allCases)
    func durable(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let store = engine.log
            let journal = Journal()
            let flow = engine.client.workflow("import", input: Int.self) { _, step in
                try await step.run("rows") { body -> Int in
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for row in 1...20 {
                            group.addTask {
                                try await body.heartbeat(row)
                                let isThere = try await offPool {
                                    guard let number = try store.read({ try $0.number(of: body.runID) }) else {
                                        return false
                                    }
                                    let details = Payload(json: "\(row)")
                                    return try store.history(of: number).contains {
                                        $0.event.body
                                            == .stepHeartbeat(StepHeartbeat(step: StepNumber(1), details: details))
                                    }
                                }
                                if !isThere { journal.note("\(row) before it was durable") }
                            }
                        }
                        try await group.waitForAll()
                    }
                    return try body.lastHeartbeat() ?? 0
                }
            }
            try await engine.run()
            let run = try await flow.start(1)
            let last = try await run.result()
            #expect(journal.notes == [])
            let recorded = try await heartbeats(engine, run.id)
            #expect(recorded.count == 20 && recorded.last == "\(last)")
        }
    }

    @Test("On a full disk it waits for room, or for the engine's end", arguments: StoreForm.allCases, [true, false])
    func fullDisk(form: StoreForm, isFreed: Bool) async throws {
        try await withEngine(form) { engine in
            let gate = Gate()
            let journal = Journal()
            func register() -> Workflow<Int, Int> {
                engine.client.workflow("import", input: Int.self) { _, step in
                    try await step.run("rows") { body in
                        await gate.pass()
                        journal.note(await Self.told(body))
                        return body.attempt
                    }
                }
            }
            let flow = register()
            try await engine.run()
            let run = try await flow.start(1)
            try await gate.reached()
            engine.fillDisk()
            gate.open()
            if isFreed {
                engine.freeDisk()
                #expect(try await run.result() == 1)
                #expect(journal.notes == ["recorded"])
                return
            }
            engine.beginShutdown()
            try await engine.clock.untilAlarm(within: .seconds(10))
            engine.clock.advance(by: .seconds(10))
            try await journal.until("RunUnwinding")
            try await engine.ended()
            try await engine.restart()
            let again = register()
            try await engine.run()
            #expect(try await again.run(run.id).result() == 2)
            #expect(journal.notes == ["RunUnwinding", "recorded"])
        }
    }

    @Test("A store that fails answers it, and so does an engine that is gone", arguments: StoreForm.allCases)
    func storeFails(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let (first, second) = (Gate(), Gate())
            let journal = Journal()
            func register() -> Workflow<Int, Int> {
                engine.client.workflow("import", input: Int.self) { _, step in
                    try await step.run("rows") { body in
                        await first.pass()
                        journal.note("\(body.attempt) \(await Self.told(body))")
                        await second.pass()
                        journal.note("\(body.attempt) \(await Self.told(body))")
                        return body.attempt
                    }
                }
            }
            let flow = register()
            try await engine.run()
            let run = try await flow.start(1)
            try await first.reached()
            engine.fillDisk()
            first.open()
            try await engine.kill()
            try await journal.until("1 RunUnwinding")
            // Its engine's threads have ended by now.
            second.open()
            try await journal.until("1 RunUnwinding", count: 2)
            let again = register()
            try await engine.run()
            #expect(try await again.run(run.id).result() == 2)
            #expect(journal.notes.suffix(2) == ["2 recorded", "2 recorded"])
        }
    }

    @Test("An orderly shutdown cuts the body off; the next attempt goes on from there", arguments: StoreForm.allCases)
    func shutdown(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.shutdownGrace = .seconds(10) }) { engine in
            let (first, second) = (Gate(), Gate())
            let journal = Journal()
            func register() -> Workflow<Int, Int> {
                engine.client.workflow("import", input: Int.self) { _, step in
                    try await step.run("rows") { body in
                        if let row = try body.lastHeartbeat(as: Int.self) { return row }
                        await first.pass()
                        // The grace lets bodies go on, so what they tell is taken.
                        journal.note(await Self.told(body, 42))
                        await second.pass()
                        journal.note(await Self.told(body, 43))
                        return 0
                    }
                }
            }
            let flow = register()
            try await engine.run()
            let run = try await flow.start(1)
            try await first.reached()
            engine.beginShutdown()
            try await engine.clock.untilAlarm(within: .seconds(10))
            first.open()
            try await journal.until("recorded")
            engine.clock.advance(by: .seconds(10))
            try await engine.ended()
            try await engine.restart()
            second.open()
            let again = register()
            try await engine.run()
            #expect(try await again.run(run.id).result() == 42)
            try await journal.until("RunUnwinding")
        }
    }

    // MARK: What does not change

    @Test("Replays come out alike, in strict order too", arguments: StoreForm.allCases)
    func replay(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            func register() -> Workflow<Int, [Int]> {
                engine.client.workflow("import", input: Int.self, options: WorkflowOptions(ordering: .strict)) {
                    _, step in
                    var results: [Int] = []
                    for round in 0..<3 {
                        async let left = step.run("left") { body in
                            for beat in 0..<round { try await body.heartbeat(beat) }
                            return round
                        }
                        async let right = step.run("right") { body in
                            for beat in 0..<3 { try await body.heartbeat(beat) }
                            return 10
                        }
                        results += [try await left, try await right]
                        try await step.sleep("pause", for: .seconds(60))
                    }
                    return results
                }
            }
            var flow = register()
            try await engine.run()
            let run = try await flow.start(1).id
            for _ in 0..<3 {
                try await engine.untilSleeping(run)
                try await engine.kill(downtime: .seconds(61))
                flow = register()
                try await engine.run()
            }
            try await engine.passTime(until: run)
            #expect(try await flow.run(run).result() == [0, 10, 1, 10, 2, 10])
        }
    }
}
