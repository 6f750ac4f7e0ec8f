import Glibc
import StepEngine
import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Nothing leaves before it is durable", .timeLimit(.minutes(5)))
struct WriteAheadTests {
    /// Makes commits take so long that whoever does not wait for them is caught.
    private func slowDown(_ engine: TestEngine) {
        engine.memory.setDuringCommit { for _ in 0..<500 { sched_yield() } }
    }

    /// The kinds of event that are durable now.
    private static func durable(_ run: RunID, _ store: EventStore) async throws -> [EventKind] {
        try await offPool {
            guard let number = try store.read({ try $0.number(of: run) }) else { return [] }
            return try store.history(of: number).map(\.event.kind)
        }
    }

    @Test("Bodies, receipts, results and durable()", arguments: StoreForm.allCases)
    func rule(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let store = engine.log
            if form == .memory { slowDown(engine) }
            let early = Journal()
            let flow = engine.client.workflow("work", input: Int.self) { context, step -> Int in
                try await context.durable()
                if try await Self.durable(context.runID, store).isEmpty { early.note("durable() before the start") }
                for round in 1...3 {
                    try await step.run("work") { body in
                        let kinds = try await Self.durable(body.runID, store)
                        let isThere = kinds.count { $0 == .stepStarted } == round
                        let follows = kinds.count { $0 == .stepSucceeded } == round - 1
                        if !isThere { early.note("a body before its start") }
                        if !follows { early.note("a body before the result that it rests on") }
                    }
                }
                try await context.durable()
                let kinds = try await Self.durable(context.runID, store)
                if kinds.count(where: { $0 == .stepSucceeded }) != 3 { early.note("durable() before a result") }
                return try await step.waitForSignal("w", signal: "\(context.input)", as: Int.self) ?? -1
            }
            try await engine.run()
            let client = engine.client
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<30 {
                    group.addTask {
                        let run = try await flow.start(number)
                        if try await Self.durable(run.id, store).isEmpty { early.note("start() before the start") }
                        try await client.signal("\(number)", 7, ifNobodyWaits: .keep(for: .seconds(100)))
                        let isResolved = try await Self.durable(run.id, store).contains(.waitResolved)
                        let isKept = try await offPool {
                            try store.read { try $0.kept("\(number)").count == 1 }
                        }
                        if !isResolved, !isKept {
                            // Kept, and taken by the wait since; then that is durable by now.
                            let kinds = try await Self.durable(run.id, store)
                            if !kinds.contains(.waitResolved) { early.note("signal() before the signal") }
                        }
                        #expect(try await run.result() == 7)
                        let last = try await Self.durable(run.id, store).last
                        if last != .runSucceeded { early.note("result() before the end") }
                    }
                }
                try await group.waitForAll()
            }
            #expect(early.notes == [])
            if form == .memory { engine.memory.setDuringCommit(nil) }
        }
    }

    @Test(
        "durable() returns in a run whose start was durable before it was taken into memory",
        arguments: StoreForm.allCases)
    func durableStart(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("work", input: Int.self) { context, _ in
                try await context.durable()
                return 1
            }
            try await engine.run()
            let inner = try #require(engine.inner)
            let number = inner.allocateRun()
            let id = RunID(high: 0x0190_0000_0000_7001, low: 0x8000_0000_0000_0001)
            let event = Event(
                run: number, sequence: 0, time: engine.clock.now,
                body: .runStarted(
                    RunStarted(id: id, workflow: "work", version: 1, key: nil, input: Payload(json: "1"), seed: 1)))
            var batch = EventBatch()
            var changes: [TableChange] = []
            batch.append(event)
            Projection.changes(nil, after: try RunState(event), event: event, into: &changes)
            inner.reserveAdmission(of: number)
            try await inner.commit(batch, changes)
            inner.ensureAdmitted(number)
            inner.admitStarted(event)
            #expect(try await flow.run(id).result() == 1)
        }
    }

    @Test("A cancellation is durable when cancel() returns", arguments: StoreForm.allCases)
    func cancel(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let store = engine.log
            if form == .memory { slowDown(engine) }
            let flow = engine.client.workflow("wait", input: Int.self) { _, step in
                _ = try await step.waitForSignal("w", signal: "s", as: Int.self)
            }
            try await engine.run()
            for number in 0..<20 {
                let run = try await flow.start(number)
                try await run.cancel()
                #expect(try await Self.durable(run.id, store).contains(.runCancelRequested))
            }
        }
    }

    @Test("A sequential step costs one commit")
    func oneCommit() async throws {
        try await withEngine(.memory) { engine in
            let flow = engine.client.workflow("steps", input: Int.self) { context, step in
                for _ in 0..<context.input { try await step.run("work") {} }
            }
            try await engine.run()
            let before = engine.log.activity.commits
            _ = try await flow.start(100).result()
            let commits = engine.log.activity.commits - before
            // A step's outcome may be taken up by itself when its thread is slow; most share their commit.
            #expect(commits >= 101)
            #expect(commits <= 110)
        }
    }

    @Test("When the store fails, who waits is told and the engine ends with the error")
    func storeFails() async throws {
        let engine = try await TestEngine(.memory)
        let gate = Gate()
        let flow = engine.client.workflow("work", input: Int.self) { _, step in
            try await step.run("work") { await gate.pass() }
            try await step.run("never") {}
        }
        try await engine.run()
        let run = try await flow.start(1)
        try await gate.reached()
        let waiting = Task { try await run.result() }
        engine.memory.setFault { $0 == .commit ? TablesError(.fatal, "the disk is gone") : nil }
        gate.open()
        await #expect(throws: (any Error).self) { _ = try await waiting.value }
        await #expect(throws: StoreError.self) { try await engine.ended() }
        await #expect(throws: (any Error).self) { _ = try await flow.start(2) }
        await engine.client.close()
    }
}
