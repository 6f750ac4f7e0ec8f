import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Recovery with the log cut after every event", .timeLimit(.minutes(5)))
struct LogCutTests {
    /// Does a bit of everything. Bodies return what does not depend on how often they are tried.
    private func register(_ client: Client, _ journal: Journal) -> Workflow<String, [String]> {
        let child = client.workflow("child", input: Int.self) { context, step in
            let value = try await step.run("child's") {
                journal.note("child's")
                return context.input * 2
            }
            try await step.sleep("child's nap", for: .seconds(20))
            return value
        }
        return client.workflow("rich", input: String.self) { context, step in
            @Sendable func work(_ step: Step, _ id: String, failing: Int = 0) async throws -> String {
                try await step.run(id, retry: .fixed(maxAttempts: 20, delay: .seconds(3))) { body in
                    if body.attempt <= failing { throw Declined(code: body.attempt) }
                    journal.note("\(body.scope)/\(body.stepID):\(body.occurrence)")
                    return "\(body.scope)/\(id)"
                }
            }
            var results = [try await work(step, "first"), try await work(step, "flaky", failing: 2)]
            results += try await withThrowingTaskGroup(of: String.self) { group in
                for item in 0..<3 {
                    group.addTask {
                        try await step.group("item \(item)") { step in
                            let done = try await work(step, "reserve")
                            try await step.sleep("pause", for: .seconds(item))
                            return done + (try await work(step, "reserve"))
                        }
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }.sorted()
            }
            async let invoked = step.invoke("child", child, 21)
            let winner = try await withThrowingTaskGroup(of: String.self) { group in
                group.addTask { try await step.waitForSignal("fast", signal: "kept", as: String.self) ?? "nil" }
                group.addTask {
                    try await step.sleep("slow", for: .seconds(100_000))
                    return "slow"
                }
                let winner = try await group.next() ?? "none"
                group.cancelAll()
                return winner
            }
            results.append(winner)
            try await step.sendSignal("tell", signal: "self", data: 5, ifNobodyWaits: .keep(for: .seconds(1_000_000)))
            results.append("\(try await step.waitForSignal("told", signal: "self", as: Int.self) ?? 0)")
            results.append("\(try await invoked)")
            let none = try await step.waitForSignal("never", signal: "never", as: Int.self, timeout: .seconds(7))
            results.append("\(none == nil)")
            do { try await step.run("fail", retry: .never) { throw Declined(code: 1) } } catch let error as StepError {
                results.append(error.message)
            }
            var random = context.random
            results.append("\(random.next())")
            results.append(try await work(step, "last"))
            return results
        }
    }

    /// Executes the workflow without a cut.
    private func whole(
        _ journal: Journal, _ flushLimit: Duration?
    ) async throws -> (log: CutLog, run: RunID, result: [String]) {
        let engine = try await TestEngine(.memory, flushLimit: flushLimit)
        let flow = register(engine.client, journal)
        try await engine.run()
        try await engine.client.signal("kept", "signal", ifNobodyWaits: .keep(for: .seconds(10_000_000)))
        let run = try await flow.start("x", id: "k")
        try await engine.passTime(until: run.id)
        let result = try await run.result()
        let store = engine.log
        let log = try await offPool { try CutLog(of: store) }
        try await engine.finish()
        return (log, run.id, result)
    }

    /// In one case what was accepted goes to the log whenever it happens to, also in the middle of a turn.
    @Test("The same result, and no finished body runs again", arguments: [Duration?.none, .microseconds(5)])
    func everyEvent(flushLimit: Duration?) async throws {
        let first = Journal()
        let (log, run, expected) = try await whole(first, flushLimit)
        #expect(Set(first.notes).count == first.notes.count)
        #expect(expected.count == 12)

        // The signal is kept before the run starts.
        let cuts = log.cuts.filter { $0 >= 2 }
        #expect(cuts.count > 45)
        for length in cuts {
            let prefix = log.events[..<length]
            let memory = try await offPool { try log.store(upTo: length) }
            let engine = try await TestEngine(
                .memory, seed: UInt64(length), memory: memory, now: prefix.last?.time, flushLimit: flushLimit)
            let journal = Journal()
            let flow = register(engine.client, journal)
            try await engine.run()
            let found = try #require(try await flow.run(id: "k"))
            #expect(found.id == run)
            try await engine.passTime(until: found.id)
            #expect(try await found.result() == expected, "cut after \(length) events: \(prefix.last?.kind.name ?? "")")
            let again = Set(journal.notes).intersection(finished(prefix))
            #expect(again.isEmpty, "cut after \(length) events, these ran again: \(again)")
            #expect(Set(journal.notes).union(finished(prefix)) == Set(first.notes))
            try await engine.finish()
        }
    }

    @Test("The same result where there is room for one run", arguments: [Duration?.none, .microseconds(5)])
    func atRest(flushLimit: Duration?) async throws {
        let (log, _, expected) = try await whole(Journal(), flushLimit)
        let cuts = log.commits.filter { $0 >= 2 }
        #expect(cuts.count > 15)
        var rests = 0
        for length in cuts {
            let memory = try await offPool { try log.store(upTo: length) }
            let engine = try await TestEngine(
                .memory, seed: UInt64(length), memory: memory, now: log.events[length - 1].time,
                flushLimit: flushLimit,
                configure: { $0.maxResidentRuns = 1 })
            let flow = register(engine.client, Journal())
            rests += try await engine.read { store in
                try store.openRuns().count { try store.run($0)?.isAtRest == true }
            }
            try await engine.run()
            let found = try #require(try await flow.run(id: "k"))
            try await engine.passTime(until: found.id)
            #expect(try await found.result() == expected, "cut after \(length) events")
            try await engine.finish()
        }
        #expect(rests > 1)
    }

    /// The bodies whose success is recorded.
    private func finished(_ events: ArraySlice<Event>) -> Set<String> {
        var keys: [RunNumber: [StepNumber: StepKey]] = [:]
        var finished: Set<String> = []
        for event in events {
            switch event.body {
            case .stepStarted(let body):
                if case .new(let key) = body.step { keys[event.run, default: [:]][StepNumber(event.sequence)] = key }
            case .stepSucceeded(let body):
                guard let key = keys[event.run]?[body.step] else { continue }
                finished.insert(key.id == "child's" ? key.id : "\(key.scope)/\(key.id):\(key.occurrence)")
            default: break
            }
        }
        return finished
    }
}
