import Logging
import StepEngine
import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("More runs than may be in memory", .timeLimit(.minutes(5)))
struct ParkingTests {
    @Test("Hundreds of sleeping runs in four places all end", arguments: StoreForm.allCases)
    func sleepers(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.maxResidentRuns = 4 }) { engine in
            let journal = Journal()
            let flow = engine.client.workflow("nap", input: Int.self) { context, step in
                try await step.run("before") { journal.note("before \(context.input)") }
                try await step.sleep("rest", for: .seconds(1_000 + context.input))
                try await step.run("after") { journal.note("after \(context.input)") }
                return context.input
            }
            try await engine.run()
            var runs: [Run<Int>] = []
            for number in 0..<200 { runs.append(try await flow.start(number)) }
            for run in runs { try await engine.untilSleeping(run.id) }
            engine.clock.advance(by: .seconds(1_500))
            for (number, run) in runs.enumerated() { #expect(try await run.result() == number) }
            #expect(Set(journal.notes).count == 400)
            #expect(journal.notes.count == 400, "no finished body ran again")
        }
    }

    @Test("Hundreds of runs that wait for signals, woken in any order", arguments: StoreForm.allCases)
    func signals(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.maxResidentRuns = 4 }) { engine in
            let flow = engine.client.workflow("wait", input: Int.self) { context, step in
                let first = try await step.waitForSignal("a", signal: "a/\(context.input)", as: Int.self) ?? -1
                let second = try await step.waitForSignal("b", signal: "b/\(context.input)", as: Int.self) ?? -1
                return first + second
            }
            try await engine.run()
            var runs: [Run<Int>] = []
            for number in 0..<100 { runs.append(try await flow.start(number)) }
            for (number, run) in runs.enumerated() { try await engine.untilWaiting(run.id, for: "a/\(number)") }
            var generator = SeededGenerator(seed: 7)
            for name in ["a", "b"] {
                for number in (0..<100).shuffled(using: &generator) {
                    try await engine.untilWaiting(runs[number].id, for: "\(name)/\(number)")
                    #expect(try await engine.client.signal("\(name)/\(number)", number) == runs[number].id)
                }
            }
            for (number, run) in runs.enumerated() { #expect(try await run.result() == 2 * number) }
        }
    }

    @Test("A run that is parked while its function waits elsewhere takes its signal", arguments: StoreForm.allCases)
    func foreignWait(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.maxResidentRuns = 1 }) { engine in
            let gate = Gate()
            let flow = engine.client.workflow("both", input: Int.self) { _, step in
                async let answer = step.waitForSignal("answer", signal: "answer", as: Int.self)
                await gate.pass()
                return try await answer ?? 0
            }
            let other = engine.client.workflow("other", input: Int.self) { context, step in
                try await step.run("work") { context.input }
            }
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.untilWaiting(run.id, for: "answer")
            try await gate.reached()
            // There is room for it only once the first has left, whose function does not.
            #expect(try await other.start(5).result() == 5)
            #expect(try await engine.client.signal("answer", 7) == run.id)
            gate.open()
            #expect(try await run.result() == 7)
        }
    }

    @Test("A kept signal reaches a run that must make room as it begins to wait", arguments: StoreForm.allCases)
    func keptForParked(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.maxResidentRuns = 1 }) { engine in
            let gate = Gate()
            let flow = engine.client.workflow("wait", input: Int.self) { _, step in
                try await step.run("before") { await gate.pass() }
                return try await step.waitForSignal("w", signal: "s", as: Int.self) ?? -1
            }
            let other = engine.client.workflow("other", input: Int.self) { _, step in try await step.run("o") { 1 } }
            try await engine.run()
            try await engine.client.signal("s", 7, ifNobodyWaits: .keep(for: .seconds(1_000)))
            let first = try await flow.start(1)
            try await gate.reached()
            let second = try await other.start(1)
            gate.open()
            #expect(try await second.result() == 1)
            #expect(try await first.result() == 7)
            #expect(try await engine.read { try $0.kept("s").isEmpty })
        }
    }

    @Test("Signals that are kept while runs begin to wait and leave memory all arrive", arguments: StoreForm.allCases)
    func keptMeanwhile(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.maxResidentRuns = 3 }) { engine in
            let flow = engine.client.workflow("wait", input: Int.self) { context, step in
                let first = try await step.waitForSignal("a", signal: "a/\(context.input)", as: Int.self) ?? -1
                let second = try await step.waitForSignal("b", signal: "b/\(context.input)", as: Int.self) ?? -1
                return first + second
            }
            try await engine.run()
            let client = engine.client
            let count = 60
            async let starts = withThrowingTaskGroup(of: Run<Int>.self) { group in
                for number in 0..<count { group.addTask { try await flow.start(number) } }
                return try await group.reduce(into: [Run<Int>]()) { $0.append($1) }
            }
            async let signals: Void = withThrowingTaskGroup(of: Void.self) { group in
                var generator = SeededGenerator(seed: 5)
                for number in (0..<2 * count).shuffled(using: &generator) {
                    let name = number < count ? "a/\(number)" : "b/\(number - count)"
                    group.addTask {
                        _ = try await client.signal(name, 1, ifNobodyWaits: .keep(for: .seconds(1_000)))
                    }
                }
                try await group.waitForAll()
            }
            try await signals
            for run in try await starts { #expect(try await run.result() == 2) }
        }
    }

    @Test("Parents and children more than there are places for", arguments: StoreForm.allCases)
    func children(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.maxResidentRuns = 2 }) { engine in
            let child = engine.client.workflow("child", input: Int.self) { context, step in
                try await step.run("work") { context.input }
            }
            let parent = engine.client.workflow("parent", input: Int.self) { context, step in
                let first = try await step.invoke("a", child, context.input)
                return first + (try await step.invoke("b", child, context.input))
            }
            try await engine.run()
            var runs: [Run<Int>] = []
            for number in 0..<30 { runs.append(try await parent.start(number)) }
            for (number, run) in runs.enumerated() { #expect(try await run.result() == 2 * number) }
        }
    }

    @Test("What waits for room is taken in the order in which it was started", arguments: StoreForm.allCases)
    func order(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.maxResidentRuns = 1 }) { engine in
            let gate = Gate()
            let journal = Journal()
            let flow = engine.client.workflow("work", input: Int.self) { context, step in
                try await step.run("work") {
                    journal.note("\(context.input)")
                    await gate.pass()
                }
            }
            try await engine.run()
            var runs: [Run<NoOutput>] = []
            for number in 0..<20 { runs.append(try await flow.start(number)) }
            try await gate.reached()
            gate.open()
            for run in runs { _ = try await run.result() }
            #expect(journal.notes == (0..<20).map(String.init))
        }
    }

    @Test("The queue outlives the process, in order", arguments: StoreForm.allCases)
    func queueSurvives(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.maxResidentRuns = 1 }) { engine in
            let gate = Gate()
            let journal = Journal()
            func register() -> Workflow<Int, NoOutput> {
                engine.client.workflow("work", input: Int.self) { context, step in
                    try await step.run("work") {
                        journal.note("\(context.input)")
                        await gate.pass()
                    }
                    return NoOutput()
                }
            }
            let flow = register()
            try await engine.run()
            var runs: [RunID] = []
            for number in 0..<10 { runs.append(try await flow.start(number).id) }
            try await gate.reached()
            try await engine.kill()
            gate.open()
            let again = register()
            try await engine.run()
            for run in runs { _ = try await again.run(run).result() }
            #expect(journal.notes == ["0"] + (0..<10).map(String.init))
        }
    }

    @Test("Runs that must not be parked stay; work outside steps keeps a run in memory", arguments: StoreForm.allCases)
    func stay(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.maxResidentRuns = 2 }) { engine in
            let journal = Journal()
            let gate = Gate()
            let never = engine.client.workflow("never", input: Int.self, options: WorkflowOptions(parking: .never)) {
                _, step in
                journal.note("never begins")
                _ = try await step.waitForSignal("a", signal: "a", as: Int.self)
            }
            let outside = engine.client.workflow("outside", input: Int.self) { context, step in
                journal.note("outside begins")
                async let waits = step.waitForSignal("b", signal: "b", as: Int.self)
                await context.outside("call") { await gate.pass() }
                _ = try await waits
            }
            let other = engine.client.workflow("other", input: Int.self) { _, step in try await step.run("o") { 1 } }
            try await engine.run()
            let first = try await never.start(1)
            let second = try await outside.start(1)
            try await engine.untilWaiting(first.id, for: "a")
            try await engine.untilWaiting(second.id, for: "b")
            try await gate.reached()
            let third = try await other.start(1)
            #expect(try await third.status() == .queued)
            #expect(try await engine.client.signal("a", 1) == first.id)
            #expect(try await third.result() == 1)
            gate.open()
            #expect(try await engine.client.signal("b", 1) == second.id)
            _ = try await second.result()
            #expect(journal.count("never begins") == 1)
            #expect(journal.count("outside begins") == 1)
        }
    }

    @Test("A function that swallows RunUnwinding is parked all the same", arguments: StoreForm.allCases)
    func swallowing(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.maxResidentRuns = 1 }) { engine in
            let journal = Journal()
            let stubborn = engine.client.workflow("stubborn", input: Int.self) { _, step -> Int in
                while true {
                    do {
                        return try await step.waitForSignal("w", signal: "s", as: Int.self) ?? -1
                    } catch is RunUnwinding {
                        journal.note("swallowed")
                    }
                }
            }
            let other = engine.client.workflow("other", input: Int.self) { _, step in try await step.run("o") { 1 } }
            try await engine.run()
            let first = try await stubborn.start(1)
            try await engine.untilWaiting(first.id, for: "s")
            #expect(try await other.start(1).result() == 1)
            #expect(try await engine.client.signal("s", 7) == first.id)
            #expect(try await first.result() == 7)
            #expect(journal.notes.count <= 65)
            let warnings = engine.logs.lines.filter { $0.message.contains("RunUnwinding was swallowed") }
            #expect(warnings.count == 1, "not for each of its calls")
            #expect(warnings.first?.metadata["thrown at"] == warnings.first?.metadata["site"])
            #expect(engine.inner?.counts.swallowedUnwindings == 1)
            #expect(engine.inner?.counts.suspendedCalls == 1)
            #expect(engine.logs.messages.count { $0.contains("suspended for good") } == 1)
        }
    }

    @Test(
        "Swallowing is told of where it happens, and not where others are told to leave", arguments: StoreForm.allCases)
    func swallowingOnce(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.maxResidentRuns = 1 }) { engine in
            let gate = Gate()
            let flow = engine.client.workflow("w", input: Int.self) { _, step -> Int in
                async let honest = {
                    await gate.pass()
                    return try await step.waitForSignal("late", signal: "late", as: Int.self) ?? -1
                }()
                async let careless = {
                    let first = try? await step.waitForSignal("first", signal: "first", as: Int.self)
                    return try await step.waitForSignal("second", signal: "second", as: Int.self) ?? first ?? -1
                }()
                return try await honest + careless
            }
            let other = engine.client.workflow("other", input: Int.self) { _, step in try await step.run("o") { 1 } }
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.untilWaiting(run.id, for: "first")
            try await gate.reached()
            #expect(try await other.start(1).result() == 1)
            gate.open()
            #expect(try await engine.client.signal("first", 1) == run.id)
            for name in ["second", "late"] {
                try await engine.untilWaiting(run.id, for: name)
                #expect(try await engine.client.signal(name, 20) == run.id)
            }
            #expect(try await run.result() == 40)
            let warnings = engine.logs.lines.filter { $0.message.contains("RunUnwinding") }
            #expect(warnings.map { $0.metadata["thrown by"] } == ["first"])
            #expect(warnings.map { $0.metadata["step"] } == ["second"])
            #expect(engine.inner?.counts.swallowedUnwindings == 1)
        }
    }

    @Test("Parked runs take timeouts, retries and cancellations", arguments: StoreForm.allCases)
    func parkedEvents(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.maxResidentRuns = 1 }) { engine in
            let flow = engine.client.workflow("w", input: String.self) { context, step -> String in
                switch context.input {
                case "timeout":
                    _ = try await step.waitForSignal("w", signal: "s", as: Int.self, timeout: .seconds(50))
                    return "timed out"
                case "retry":
                    return try await step.run("r", retry: .fixed(delay: .seconds(50))) { context -> String in
                        if context.attempt == 1 { throw Opaque() }
                        return "attempt \(context.attempt)"
                    }
                default:
                    _ = try await step.waitForSignal("w", signal: "s", as: Int.self)
                    return "not cancelled"
                }
            }
            let other = engine.client.workflow("other", input: Int.self) { _, step in try await step.run("o") { 1 } }
            try await engine.run()
            let timeout = try await flow.start("timeout")
            let retry = try await flow.start("retry")
            let cancelled = try await flow.start("cancel")
            try await engine.untilWaiting(timeout.id, for: "s")
            try await engine.untilRetrying(retry.id)
            try await engine.untilWaiting(cancelled.id, for: "s")
            // Whoever has the place now gives it up for this one.
            _ = try await other.start(1).result()
            try await cancelled.cancel()
            await #expect(throws: RunCancelledError.self) { _ = try await cancelled.result() }
            engine.clock.advance(by: .seconds(120))
            #expect(try await timeout.result() == "timed out")
            #expect(try await retry.result() == "attempt 2")
        }
    }
}
