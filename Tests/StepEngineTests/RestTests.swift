import Logging
import StepEvents
import StepKit
import TestSupport
import Testing

/// A new engine leaves runs on disk that only wait, where they would take up too much of its room.
@Suite("Runs at rest at the start of an engine", .timeLimit(.minutes(5)))
struct RestTests {
    private func napping(
        _ client: Client, _ journal: Journal, parking: WorkflowOptions.Parking = .whenNeeded
    ) -> Workflow<Int, Int> {
        client.workflow("nap", input: Int.self, options: WorkflowOptions(parking: parking)) { context, step in
            journal.note("begun")
            try await step.run("before") {}
            try await step.sleep("rest", for: .seconds(1_000))
            return context.input
        }
    }

    /// Starts runs that sleep, and the next process, which executes nothing yet.
    private func asleep(_ engine: TestEngine, _ count: Int) async throws -> [RunID] {
        let flow = napping(engine.client, Journal())
        try await engine.run()
        var runs: [RunID] = []
        for number in 0..<count { runs.append(try await flow.start(number).id) }
        for run in runs { try await engine.untilSleeping(run) }
        try await engine.restart()
        return runs
    }

    @Test("They take up half of the room, and the others are read when they are due", arguments: StoreForm.allCases)
    func sleepers(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.maxResidentRuns = 4 }) { engine in
            let runs = try await asleep(engine, 12)
            let journal = Journal()
            let flow = napping(engine.client, journal)
            try await engine.run()
            try await journal.until("begun", count: 2)
            engine.clock.advance(by: .seconds(1_000))
            for (number, run) in runs.enumerated() { #expect(try await flow.run(run).result() == number) }
            // One that is read already may have to make room for others that are due at the same time.
            #expect(journal.count("begun") <= 14, "no others were read in vain")
        }
    }

    @Test("Nothing is read where there is no room to spare", arguments: StoreForm.allCases)
    func noRoom(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.maxResidentRuns = 1 }) { engine in
            let runs = try await asleep(engine, 3)
            let journal = Journal()
            let flow = napping(engine.client, journal)
            try await engine.run()
            let other = engine.client.workflow("other", input: Int.self) { _, step in try await step.run("o") { 1 } }
            #expect(try await other.start(1).result() == 1)
            #expect(journal.notes.isEmpty)
            try await engine.client.cancel(runs[1])
            await #expect(throws: RunCancelledError.self) { try await flow.run(runs[1]).result() }
            engine.clock.advance(by: .seconds(1_000))
            #expect(try await flow.run(runs[2]).result() == 2)
        }
    }

    @Test("Those are read that never leave memory, also when their code comes late", arguments: [false, true])
    func neverParked(late: Bool) async throws {
        try await withEngine(.memory, configure: { $0.maxResidentRuns = 1 }) { engine in
            _ = try await asleep(engine, 1)
            let journal = Journal()
            if !late { _ = napping(engine.client, journal, parking: .never) }
            try await engine.run()
            if late { _ = napping(engine.client, journal, parking: .never) }
            try await journal.until("begun")
            #expect(journal.notes == ["begun"])
        }
    }

    @Test("Those whose code is not here are counted", arguments: StoreForm.allCases)
    func stranded(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.maxResidentRuns = 1 }) { engine in
            _ = try await asleep(engine, 3)
            try await engine.run()
            try await engine.clock.untilAlarm(within: .seconds(5))
            engine.clock.advance(by: .seconds(5))
            let warning = try #require(engine.logs.lines.first { $0.message.contains("have no code here") })
            #expect(warning.metadata["runs"] == "3")
            #expect(warning.metadata["workflow"] == "nap")
        }
    }

    @Test("A signal finds one, and so does a signal that was kept before", arguments: StoreForm.allCases)
    func signals(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.maxResidentRuns = 1 }) { engine in
            func flow() -> Workflow<String, Int> {
                engine.client.workflow("wait", input: String.self) { context, step in
                    let first = try await step.waitForSignal("first", signal: context.input, as: Int.self) ?? -1
                    return first + (try await step.waitForSignal("second", signal: "all", as: Int.self) ?? -1)
                }
            }
            let first = flow()
            try await engine.run()
            let runs = [try await first.start("a").id, try await first.start("b").id]
            try await engine.untilWaiting(runs[0], for: "a")
            try await engine.untilWaiting(runs[1], for: "b")
            try await engine.restart()
            let second = flow()
            try await engine.run()
            try await engine.client.signal("all", 10, ifNobodyWaits: .keep(for: .seconds(1_000)))
            #expect(try await engine.client.signal("b", 5) == runs[1])
            #expect(try await second.run(runs[1]).result() == 15)
            #expect(try await engine.client.signal("a", 7) == runs[0])
            try await engine.untilWaiting(runs[0], for: "all")
            #expect(try await engine.client.signal("all", 1) == runs[0])
            #expect(try await second.run(runs[0]).result() == 8)
        }
    }
}
