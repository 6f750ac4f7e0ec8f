import StepEngine
import StepEvents
import StepKit
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
