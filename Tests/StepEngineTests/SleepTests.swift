import Foundation
import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Sleeping", .timeLimit(.minutes(5)))
struct SleepTests {
    private func nap(_ client: Client, _ journal: Journal = Journal()) -> Workflow<Double, Double> {
        client.workflow("nap", input: Double.self) { context, step in
            journal.note("begins")
            let begin = context.now
            try await step.sleep("rest", for: .seconds(context.input))
            return Double(context.now.nanoseconds - begin.nanoseconds) / 1e9
        }
    }

    @Test("The wake time is fixed when first asked for, and survives", arguments: StoreForm.allCases, [false, true])
    func survives(form: StoreForm, kills: Bool) async throws {
        try await withEngine(form) { engine in
            let first = nap(engine.client)
            try await engine.run()
            let run = try await first.start(100)
            try await engine.untilSleeping(run.id)
            engine.clock.advance(by: .seconds(30))
            if kills {
                try await engine.kill(downtime: .seconds(40))
            } else {
                try await engine.restart(downtime: .seconds(40))
            }
            let journal = Journal()
            let again = nap(engine.client, journal)
            try await engine.run()
            try await journal.until("begins")
            // Thirty seconds are left.
            try await engine.clock.untilAlarm(within: .seconds(30))
            engine.clock.advance(by: .seconds(29))
            #expect(try await again.run(run.id).status() == .waiting)
            engine.clock.advance(by: .seconds(1))
            #expect(try await again.run(run.id).result() == 100)
        }
    }

    @Test("A sleep that ended while nobody was there ends at once", arguments: StoreForm.allCases)
    func overslept(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = nap(engine.client)
            try await engine.run()
            let run = try await flow.start(100)
            try await engine.untilSleeping(run.id)
            try await engine.kill(downtime: .seconds(1_000))
            let again = nap(engine.client)
            try await engine.run()
            #expect(try await again.run(run.id).result() == 1_000)
        }
    }

    @Test("Zero, negative and past times resume at once", arguments: StoreForm.allCases)
    func atOnce(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("now", input: Int.self) { context, step in
                let begin = context.now
                try await step.sleep("zero", for: .zero)
                try await step.sleep("negative", for: .seconds(-5))
                try await step.sleep("past", until: Timestamp(nanoseconds: begin.nanoseconds - 1_000_000_000))
                try await step.sleep("long past", until: Date(timeIntervalSince1970: -1e12))
                try await step.sleep("present", until: begin)
                return context.now.nanoseconds - begin.nanoseconds
            }
            try await engine.run()
            #expect(try await flow.start(1).result() == 0)
        }
    }

    @Test("Ten years, and no more", arguments: StoreForm.allCases)
    func years(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = nap(engine.client)
            let far = engine.client.workflow("far", input: Int.self, options: WorkflowOptions(retry: .never)) {
                context, step in
                try await step.sleep("far", until: Date(timeIntervalSince1970: 1e11))
            }
            try await engine.run()
            let decade = 10.0 * 365 * 86_400
            let run = try await flow.start(decade)
            try await engine.untilSleeping(run.id)
            engine.clock.advance(by: .seconds(decade - 1))
            #expect(try await run.status() == .waiting)
            engine.clock.advance(by: .seconds(1))
            #expect(try await run.result() == decade)
            #expect(try await failure(of: try await flow.start(11 * decade))?.type == "StepCore.InvalidStepID")
            #expect(try await failure(of: try await far.start(1))?.type == "StepCore.InvalidStepID")
        }
    }

    @Test("Until a time: it follows the wall clock; for a time: it does not", arguments: StoreForm.allCases)
    func wallClock(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let flow = engine.client.workflow("sleep", input: Bool.self) { context, step in
                let until = context.now.nanoseconds + 3_600_000_000_000
                if context.input {
                    try await step.sleep("until", until: Timestamp(nanoseconds: until))
                } else {
                    try await step.sleep("for", for: .seconds(3_600))
                }
                journal.note(context.input ? "until" : "for")
            }
            try await engine.run()
            let until = try await flow.start(true)
            let during = try await flow.start(false)
            try await engine.untilSleeping(until.id)
            try await engine.untilSleeping(during.id)
            engine.clock.setWallClock(Timestamp(nanoseconds: engine.clock.now.nanoseconds + 3_601_000_000_000))
            _ = try await until.result()
            #expect(journal.notes == ["until"])
            #expect(try await during.status() == .waiting)
            engine.clock.advance(by: .seconds(3_600))
            _ = try await during.result()
        }
    }

    @Test("A wall clock that is set back never makes the record run backwards", arguments: StoreForm.allCases)
    func setBack(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = nap(engine.client)
            try await engine.run()
            let run = try await flow.start(100)
            try await engine.untilSleeping(run.id)
            engine.clock.setWallClock(Timestamp(nanoseconds: engine.clock.now.nanoseconds - 50_000_000_000))
            engine.clock.advance(by: .seconds(100))
            #expect(try await run.result() == 100)
            let times = try await engine.history(of: run.id).map(\.time)
            #expect(times == times.sorted())
        }
    }

    @Test("Many sleepers wake in the order of their times", arguments: StoreForm.allCases)
    func order(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let flow = engine.client.workflow("nap", input: Int.self) { context, step in
                try await step.sleep("rest", for: .seconds(context.input))
                journal.note("\(context.input)")
            }
            try await engine.run()
            let seconds = (1...40).map { $0 * 7 % 41 }
            var runs: [Run<NoOutput>] = []
            for number in seconds { runs.append(try await flow.start(number)) }
            for run in runs { try await engine.untilSleeping(run.id) }
            for number in 1...40 {
                engine.clock.advance(by: .seconds(1))
                try await journal.until { $0.count == number }
            }
            #expect(journal.notes == (1...40).map(String.init))
        }
    }
}
