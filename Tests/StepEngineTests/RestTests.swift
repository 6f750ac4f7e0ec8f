import Logging
import StepEngine
import StepEvents
import StepKit
import TestSupport
import Testing

/// A new engine reads runs that only wait when it has nothing else to read.
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

    @Test("All are read once, and take up half of the room", arguments: StoreForm.allCases)
    func sleepers(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.maxResidentRuns = 4 }) { engine in
            let runs = try await asleep(engine, 12)
            let journal = Journal()
            let flow = napping(engine.client, journal)
            try await engine.run()
            try await journal.until("begun", count: 12)
            #expect(journal.count("begun") == 12)
            #expect(engine.inner?.counts.parkedRuns ?? 0 >= 10)
            engine.clock.advance(by: .seconds(1_000))
            for (number, run) in runs.enumerated() { #expect(try await flow.run(run).result() == number) }
        }
    }

    @Test("Those that have something to do come first", arguments: StoreForm.allCases)
    func order(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.maxResidentRuns = 1 }) { engine in
            let (gate, journal) = (Gate(), Journal())
            func busy(_ journal: Journal) -> Workflow<Int, Int> {
                engine.client.workflow("busy", input: Int.self) { context, step in
                    journal.note("busy")
                    return try await step.run("work") {
                        await gate.pass()
                        return context.input
                    }
                }
            }
            let (flow, first) = (napping(engine.client, Journal()), busy(Journal()))
            try await engine.run()
            for number in 0..<3 { try await engine.untilSleeping(try await flow.start(number).id) }
            let run = try await first.start(7)
            try await gate.reached()
            try await engine.kill()
            gate.open()
            _ = napping(engine.client, journal)
            let second = busy(journal)
            try await engine.run()
            #expect(try await second.run(run.id).result() == 7)
            try await journal.until("begun", count: 3)
            #expect(journal.notes == ["busy", "begun", "begun", "begun"])
        }
    }

    @Test("Work beside the wait that is no step runs again", arguments: [true, false], [1, 10_000])
    func otherWork(isDeclared: Bool, room: Int) async throws {
        try await withEngine(.memory, configure: { $0.maxResidentRuns = room }) { engine in
            let gate = Gate()
            func flow() -> Workflow<Int, Int> {
                engine.client.workflow("both", input: Int.self) { context, step in
                    async let deadline: Void = step.sleep("deadline", for: .seconds(100_000))
                    if isDeclared { await context.outside("call") { await gate.pass() } } else { await gate.pass() }
                    let value = try await step.run("after") { context.input }
                    try await deadline
                    return value
                }
            }
            let first = flow()
            try await engine.run()
            let run = try await first.start(5)
            try await gate.reached()
            try await engine.untilSleeping(run.id)
            try await engine.kill()
            gate.open()
            let second = flow()
            try await engine.run()
            try await engine.until(run.id, "the step") { $0.nextSequence == 4 }
            try await engine.passTime(until: run.id)
            #expect(try await second.run(run.id).result() == 5)
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

    @Test("A signal finds one", arguments: StoreForm.allCases)
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
