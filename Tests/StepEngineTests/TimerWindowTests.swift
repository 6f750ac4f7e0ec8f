import StepEngine
import StepEvents
import StepKit
import StepLocks
import StepLog
import TestSupport
import Testing

@Suite("Timers of runs that are not in memory", .timeLimit(.minutes(5)))
struct TimerWindowTests {
    private func napper(_ client: Client, _ id: String) -> Workflow<Int, Int> {
        client.workflow(id, input: Int.self) { context, step in
            try await step.sleep("rest", for: .seconds(context.input))
            return context.input
        }
    }

    @Test("Overdue runs without code do not keep others from waking", arguments: StoreForm.allCases)
    func stranded(form: StoreForm) async throws {
        try await withEngine(form, timersAtOnce: 3, configure: { $0.maxResidentRuns = 1 }) { engine in
            let old = napper(engine.client, "old")
            try await engine.run()
            for _ in 0..<8 {
                let run = try await old.start(30)
                try await engine.untilSleeping(run.id)
            }
            try await engine.restart(downtime: .seconds(100))
            let flow = napper(engine.client, "new")
            let probe = engine.client.workflow("probe", input: Int.self) { _, step in try await step.run("p") { 1 } }
            try await engine.run()
            let run = try await flow.start(500)
            try await engine.untilSleeping(run.id)
            // It needs the only place.
            _ = try await probe.start(1).result()
            engine.clock.advance(by: .seconds(500))
            #expect(try await run.result() == 500)
        }
    }

    @Test("More of them at once than are set at once", arguments: StoreForm.allCases)
    func crowd(form: StoreForm) async throws {
        try await withEngine(form, timersAtOnce: 3, configure: { $0.maxResidentRuns = 2 }) { engine in
            let flow = napper(engine.client, "nap")
            try await engine.run()
            var runs: [Run<Int>] = []
            for number in 0..<40 {
                let run = try await flow.start(200 + number / 10)
                try await engine.untilSleeping(run.id)
                runs.append(run)
            }
            for _ in 0..<150 {
                engine.clock.advance(by: .seconds(2))
                // The next window is set; time that passed before that would not count for it.
                try await engine.clock.untilAlarm()
            }
            for (number, run) in runs.enumerated() { #expect(try await run.result() == 200 + number / 10) }
        }
    }

    @Test(
        "A sleep for a duration is as long when its run is parked and the clock is set", arguments: StoreForm.allCases)
    func setForward(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.maxResidentRuns = 1 }) { engine in
            let flow = napper(engine.client, "nap")
            let probe = engine.client.workflow("probe", input: Int.self) { _, step in try await step.run("p") { 1 } }
            try await engine.run()
            let run = try await flow.start(3_600)
            try await engine.untilSleeping(run.id)
            // It needs the only place; then the clock makes the sleeper come back, and it is parked once more.
            _ = try await probe.start(1).result()
            engine.clock.setWallClock(engine.clock.now.advanced(by: .seconds(5_000)))
            for _ in 0..<3 {
                _ = try await probe.start(1).result()
                try await pass(10, engine)
            }
            // What is begun now counts from now, and what stands on disk goes on as it was.
            let second = try await flow.start(3_000)
            try await engine.untilSleeping(second.id)
            _ = try await probe.start(1).result()
            try await pass(296, engine)
            #expect(try await engine.kinds(of: second.id) == [.runStarted, .slept])
            try await pass(10, engine)
            #expect(try await second.result() == 3_000)
            try await pass(20, engine)
            _ = try await probe.start(1).result()
            #expect(try await engine.kinds(of: run.id) == [.runStarted, .slept])
            try await pass(10, engine)
            #expect(try await run.result() == 3_600)
        }
    }

    /// Lets time pass in so many steps of ten seconds, with the next window set after each.
    private func pass(_ steps: Int, _ engine: TestEngine) async throws {
        for _ in 0..<steps {
            engine.clock.advance(by: .seconds(10))
            try await engine.clock.untilAlarm(within: .seconds(60))
        }
    }

    @Test("Nor is it longer when the clock is set back", arguments: StoreForm.allCases)
    func setBack(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.maxResidentRuns = 1 }) { engine in
            let flow = napper(engine.client, "nap")
            let probe = engine.client.workflow("probe", input: Int.self) { _, step in try await step.run("p") { 1 } }
            try await engine.run()
            let run = try await flow.start(3_600)
            try await engine.untilSleeping(run.id)
            _ = try await probe.start(1).result()
            engine.clock.setWallClock(engine.clock.now.advanced(by: .seconds(-100_000)))
            _ = try await probe.start(1).result()
            try await pass(359, engine)
            #expect(try await engine.kinds(of: run.id) == [.runStarted, .slept])
            try await pass(2, engine)
            #expect(try await run.result() == 3_600)
        }
    }

    /// Whoever reads it is set aside for a second after each of the first readings.
    private final class SlowClock: EngineClock {
        private let readings: Locked<(left: Int, uptime: UInt64)>

        init(slowReadings: Int) { readings = Locked((slowReadings, 1_000_000_000)) }

        private func read() -> UInt64 {
            readings.withLock { readings in
                defer {
                    if readings.left > 0 { readings = (readings.left - 1, readings.uptime + 1_000_000_000) }
                }
                return readings.uptime
            }
        }

        var now: Timestamp { Timestamp(nanoseconds: Int64(read())) }
        var uptime: UInt64 { read() }
        func start(_ alarm: @escaping @Sendable () -> Void) {}
        func setAlarm(at deadline: UInt64?) {}
        func stop() {}
    }

    @Test("A thread that is set aside between two readings does not see the wall clock set")
    func slowReadings() {
        let clock = SlowClock(slowReadings: 5)
        let found = clock.together
        #expect(found?.now == Timestamp(nanoseconds: 6_000_000_000))
        #expect(found?.uptime == 6_000_000_000)
        #expect(SlowClock(slowReadings: 1_000).together == nil)
    }

    @Test("What was recorded between two steps of the wall clock")
    func steps() {
        let begin = Timestamp(nanoseconds: 1_000_000_000_000)
        func at(_ seconds: Int) -> Timestamp { begin.advanced(by: .seconds(seconds)) }
        var steps = WallClockSteps(now: begin, uptime: 5_000_000_000, last: LSN(10))
        #expect(steps.due(at(100), recordedAt: LSN(10)) == nil, "another process recorded it")
        #expect(steps.due(at(100), recordedAt: LSN(11)) == at(100))
        let isNews = steps.note(now: begin.advanced(by: .milliseconds(10)), uptime: 5_000_000_000, last: { LSN(15) })
        #expect(!isNews && !steps.wasSet)
        // A second passes, and the clock is an hour ahead.
        let wasAhead = steps.note(now: at(3_601), uptime: 6_000_000_000, last: { LSN(20) })
        #expect(wasAhead && steps.wasSet)
        #expect(steps.due(at(100), recordedAt: LSN(20)) == at(3_700))
        #expect(steps.due(at(100), recordedAt: LSN(21)) == at(100))
        #expect(steps.ahead == .zero)
        let wasBack = steps.note(now: at(2), uptime: 7_000_000_000, last: { LSN(30) })
        #expect(wasBack)
        #expect(steps.ahead == .seconds(3_600))
        #expect(steps.due(at(100), recordedAt: LSN(20)) == at(100))
        #expect(steps.due(at(3_700), recordedAt: LSN(30)) == at(100))
        #expect(steps.due(at(100), recordedAt: LSN(31)) == at(100))
        #expect(steps.due(at(100), recordedAt: LSN(9)) == nil)
    }

    @Test("An alarm of the engine is set once, for the earliest time")
    func alarms() {
        var queue = TimerQueue()
        let never = Timestamp(nanoseconds: 0)
        queue.add(.engine(.nextWindow), uptime: 60)
        queue.add(.engine(.nextWindow), uptime: 10)
        queue.add(.engine(.nextWindow), uptime: 120)
        queue.add(.engine(.strandedWarning), uptime: 20)
        #expect(queue.takeDue(uptime: 10, now: never) == [.engine(.nextWindow)])
        #expect(queue.takeDue(uptime: 1_000, now: never) == [.engine(.strandedWarning)])
        queue.add(.engine(.nextWindow), uptime: 2_000)
        queue.clear(.nextWindow)
        queue.add(.engine(.nextWindow), uptime: 3_000)
        #expect(queue.takeDue(uptime: 2_500, now: never) == [])
        #expect(queue.takeDue(uptime: 3_000, now: never) == [.engine(.nextWindow)])
    }
}
