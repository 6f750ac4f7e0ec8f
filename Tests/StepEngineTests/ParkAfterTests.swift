import StepEvents
import StepKit
import StepLocks
import TestSupport
import Testing

@testable import StepEngine

@Suite("Runs that wait for long leave memory although there is room", .timeLimit(.minutes(5)))
struct ParkAfterTests {
    /// Waits for a signal and notes when it begins and when it leaves memory.
    private func waiter(
        _ client: Client, _ journal: Journal, options: WorkflowOptions = WorkflowOptions(), _ id: String
    )
        -> Workflow<Int, Int>
    {
        client.workflow(id, input: Int.self, options: options) { context, step in
            journal.note("\(id) begins")
            do {
                return try await step.waitForSignal("w", signal: "\(id)/\(context.input)", as: Int.self) ?? -1
            } catch let error as RunUnwinding {
                journal.note("\(id) leaves")
                throw error
            }
        }
    }

    /// Waits until an alarm is set for the run that waits longest.
    private func untilParkAlarm(_ engine: TestEngine) async throws {
        try await engine.clock.untilAlarm(within: .seconds(20))
    }

    @Test("A run that waits for longer than that is parked, and continues", arguments: StoreForm.allCases)
    func parks(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.parkAfter = .seconds(20) }) { engine in
            let journal = Journal()
            let flow = waiter(engine.client, journal, "wait")
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.untilWaiting(run.id, for: "wait/1")
            try await untilParkAlarm(engine)
            engine.clock.advance(by: .seconds(19))
            #expect(engine.inner?.counts.parkedRuns == 0)
            engine.clock.advance(by: .seconds(1))
            try await journal.until("wait leaves")
            #expect(try await engine.client.signal("wait/1", 7) == run.id)
            #expect(try await run.result() == 7)
            #expect(journal.notes == ["wait begins", "wait leaves", "wait begins"])
        }
    }

    @Test("It does not matter what the wall clock is set to", arguments: StoreForm.allCases, [-3_600, 3_600])
    func wallClock(form: StoreForm, step: Int) async throws {
        try await withEngine(form, configure: { $0.parkAfter = .seconds(20) }) { engine in
            let journal = Journal()
            let flow = waiter(engine.client, journal, "wait")
            try await engine.run()
            let first = try await flow.start(1)
            try await engine.untilWaiting(first.id, for: "wait/1")
            try await untilParkAlarm(engine)
            engine.clock.setWallClock(engine.clock.now.advanced(by: .seconds(step)))
            let second = try await flow.start(2)
            try await engine.untilWaiting(second.id, for: "wait/2")
            await engine.untilWaiting(runs: 2)
            engine.clock.advance(by: .seconds(19))
            #expect(engine.inner?.counts.parkedRuns == 0)
            engine.clock.advance(by: .seconds(1))
            await engine.untilParked(runs: 2)
        }
    }

    @Test("Without it no run leaves", arguments: StoreForm.allCases)
    func isOptIn(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let flow = waiter(engine.client, journal, "wait")
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.untilWaiting(run.id, for: "wait/1")
            engine.clock.advance(by: .seconds(100_000))
            #expect(try await engine.client.signal("wait/1", 7) == run.id)
            #expect(try await run.result() == 7)
            #expect(journal.notes == ["wait begins"])
        }
    }

    @Test("One wait after another is not one long wait", arguments: StoreForm.allCases)
    func countsFromTheLastEvent(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.parkAfter = .seconds(20) }) { engine in
            let journal = Journal()
            let flow = engine.client.workflow("naps", input: Int.self) { context, step in
                journal.note("begins")
                for nap in 0..<context.input { try await step.sleep("nap \(nap)", for: .seconds(15)) }
            }
            try await engine.run()
            let run = try await flow.start(6)
            for _ in 0..<6 {
                let (now, uptime) = (engine.clock.now, engine.clock.uptime)
                try await engine.until(run.id, "the next nap") { state in
                    state.open.values.contains {
                        if case .sleep(let until) = $0.activity { until > now } else { false }
                    }
                }
                // The log may be faster than what follows in the engine.
                await engine.untilWaiting(since: uptime)
                engine.clock.advance(by: .seconds(15))
            }
            _ = try await run.result()
            #expect(journal.notes == ["begins"])
        }
    }

    @Test("Runs that must not be parked stay; work outside steps keeps a run in memory", arguments: StoreForm.allCases)
    func stay(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.parkAfter = .seconds(20) }) { engine in
            let journal = Journal()
            let gate = Gate()
            let never = waiter(engine.client, journal, options: WorkflowOptions(parking: .never), "never")
            let plain = waiter(engine.client, journal, "plain")
            let outside = engine.client.workflow("outside", input: Int.self) { context, step in
                journal.note("outside begins")
                async let waits = step.waitForSignal("b", signal: "outside", as: Int.self)
                await context.outside("call") { await gate.pass() }
                _ = try await waits
            }
            try await engine.run()
            let stays = [try await never.start(1).id, try await outside.start(1).id]
            try await engine.untilWaiting(stays[0], for: "never/1")
            try await engine.untilWaiting(stays[1], for: "outside")
            try await gate.reached()
            let leaves = try await plain.start(1)
            try await engine.untilWaiting(leaves.id, for: "plain/1")
            try await untilParkAlarm(engine)
            engine.clock.advance(by: .seconds(1_000))
            try await journal.until("plain leaves")
            gate.open()
            #expect(try await engine.client.signal("outside", 1) == stays[1])
            #expect(try await engine.client.signal("never/1", 1) == stays[0])
            _ = try await outside.run(stays[1]).result()
            _ = try await never.run(stays[0]).result()
            #expect(journal.count("outside begins") == 1)
            #expect(journal.count("never begins") == 1)
        }
    }

    /// Its timer is due when it is read into memory, and must reach it before it has waited too long again.
    @Test("Not even the shortest time parks a run again that was woken", arguments: StoreForm.allCases)
    func shortest(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.parkAfter = .zero }) { engine in
            let journal = Journal()
            let flow = engine.client.workflow("nap", input: Int.self) { context, step in
                journal.note("begins")
                try await step.sleep("nap", for: .seconds(500))
                return context.input
            }
            try await engine.run()
            let run = try await flow.start(3)
            try await engine.untilSleeping(run.id)
            try await engine.clock.untilAlarm(within: .seconds(1))
            engine.clock.advance(by: .seconds(1))
            for _ in 0..<60 {
                engine.clock.advance(by: .seconds(10))
                // The next window is set; time that passed before that would not count for it.
                try await engine.clock.untilAlarm()
            }
            #expect(try await run.result() == 3)
            #expect(journal.notes == ["begins", "begins"])
            #expect(engine.inner?.counts.parkedRuns == 1)
        }
    }

    @Test("All leave that have waited so long, however many", arguments: StoreForm.allCases)
    func crowd(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.parkAfter = .seconds(20) }) { engine in
            let journal = Journal()
            let flow = waiter(engine.client, journal, "wait")
            try await engine.run()
            var runs: [Run<Int>] = []
            for number in 0..<300 { runs.append(try await flow.start(number)) }
            await engine.untilWaiting(runs: 300)
            try await untilParkAlarm(engine)
            engine.clock.advance(by: .seconds(20))
            try await journal.until("wait leaves", count: 300)
            for (number, run) in runs.enumerated() {
                #expect(try await engine.client.signal("wait/\(number)", number) == run.id)
            }
            for (number, run) in runs.enumerated() { #expect(try await run.result() == number) }
            #expect(journal.count("wait begins") == 600)
        }
    }
}

extension TestEngine {
    /// Waits until the engine knows of so many runs in memory that they only wait.
    func untilWaiting(runs count: Int) async {
        while let inner, inner.state.withLock({ $0.waiting.count }) < count { await Task.yield() }
    }

    /// Waits until no run has waited for longer, as the engine knows.
    func untilWaiting(since time: UInt64) async {
        while let inner, inner.state.withLock({ $0.waiting.longestSince.map { $0 < time } ?? true }) {
            await Task.yield()
        }
    }

    /// Waits until so many runs have left memory.
    func untilParked(runs count: Int) async {
        while let inner, inner.counts.parkedRuns < count { await Task.yield() }
    }
}
