import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Retries of steps", .timeLimit(.minutes(5)))
struct RetryTests {
    private func waits(_ history: [Event]) -> [Duration] {
        history.compactMap { event in
            guard case .stepFailed(let body) = event.body, let retryAt = body.retryAt else { return nil }
            return event.time.duration(to: retryAt)
        }
    }

    @Test("Four attempts by default, 1, 2 and 4 seconds apart within a tenth", arguments: StoreForm.allCases)
    func standard(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let flow = engine.client.workflow("fail", input: Int.self) { _, step in
                try await step.run("try") {
                    journal.note("try")
                    throw Declined(code: 1)
                }
            }
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.passTime(until: run.id)
            #expect(journal.notes.count == 4)
            let waits = waits(try await engine.history(of: run.id))
            #expect(waits.count == 3)
            for (wait, seconds) in zip(waits, [1.0, 2, 4]) {
                #expect(wait >= .seconds(seconds * 0.9) && wait <= .seconds(seconds * 1.1))
            }
            #expect(waits != [.seconds(1), .seconds(2), .seconds(4)], "some jitter")
        }
    }

    @Test("The same seed draws the same waits", arguments: StoreForm.allCases)
    func jitter(form: StoreForm) async throws {
        var seen: [[Duration]] = []
        for seed: UInt64 in [3, 3, 4] {
            try await withEngine(form, seed: seed) { engine in
                let flow = engine.client.workflow("fail", input: Int.self) { _, step in
                    try await step.run("try") { throw Declined(code: 1) }
                }
                try await engine.run()
                let run = try await flow.start(1)
                try await engine.passTime(until: run.id)
                seen.append(waits(try await engine.history(of: run.id)))
            }
        }
        #expect(seen[0] == seen[1])
        #expect(seen[0] != seen[2])
    }

    @Test("A step that succeeds at last is done", arguments: StoreForm.allCases)
    func atLast(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let flow = engine.client.workflow("flaky", input: Int.self) { _, step in
                try await step.run("try") {
                    let count = journal.counting("try")
                    if count < 3 { throw Declined(code: count) }
                    return count
                }
            }
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.passTime(until: run.id)
            #expect(try await run.result() == 3)
            let kinds: [EventKind] = [
                .runStarted, .stepStarted, .stepFailed, .stepStarted, .stepFailed, .stepStarted, .stepSucceeded,
                .runSucceeded,
            ]
            #expect(try await engine.kinds(of: run.id) == kinds)
        }
    }

    @Test("Policies: never, fixed, exponential with a longest wait", arguments: StoreForm.allCases)
    func policies(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let policies: [RetryPolicy] = [
                .never, .fixed(maxAttempts: 3, delay: .seconds(7), jitter: 0),
                .exponential(maxAttempts: 5, initial: .seconds(1), factor: 10, max: .seconds(30), jitter: 0),
            ]
            let flow = engine.client.workflow("fail", input: Int.self) { context, step in
                try await step.run("try", retry: policies[context.input]) { throw Declined(code: 1) }
            }
            try await engine.run()
            let expected: [[Duration]] = [
                [], [.seconds(7), .seconds(7)], [.seconds(1), .seconds(10), .seconds(30), .seconds(30)],
            ]
            for (index, expected) in expected.enumerated() {
                let run = try await flow.start(index)
                try await engine.passTime(until: run.id)
                #expect(waits(try await engine.history(of: run.id)) == expected)
            }
        }
    }

    @Test("The client's default policy counts where a step has none", arguments: StoreForm.allCases)
    func clientsDefault(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.defaultRetry = .fixed(maxAttempts: 2, delay: .seconds(1)) }) {
            engine in
            let journal = Journal()
            let flow = engine.client.workflow("fail", input: Int.self) { _, step in
                try await step.run("try") {
                    journal.note("try")
                    throw Declined(code: 1)
                }
            }
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.passTime(until: run.id)
            #expect(journal.notes.count == 2)
        }
    }

    @Test("RetryAfterError sets the wait, not the number of attempts", arguments: StoreForm.allCases)
    func retryAfter(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("later", input: Int.self) { _, step in
                try await step.run("try", retry: .fixed(maxAttempts: 3, delay: .seconds(1))) {
                    throw RetryAfterError(after: .seconds(500), "busy", underlying: Declined(code: 9))
                }
            }
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.passTime(until: run.id)
            let history = try await engine.history(of: run.id)
            #expect(waits(history) == [.seconds(500), .seconds(500)])
            let failure = try #require(try await failure(of: run))
            #expect(failure.causes.contains { $0.message == "declined with code 9" })
        }
    }

    @Test("Errors that no attempt can mend, and a predicate that says no", arguments: StoreForm.allCases)
    func nonRetryable(form: StoreForm) async throws {
        struct Hopeless: NonRetryable {}
        try await withEngine(form) { engine in
            let journal = Journal()
            let flow = engine.client.workflow("fail", input: Int.self) { context, step in
                var policy = RetryPolicy.default
                policy.shouldRetry = { ($0 as? Declined)?.code != 2 }
                try await step.run("try", retry: policy) {
                    journal.note("try \(context.input)")
                    switch context.input {
                    case 0: throw NonRetryableError("no", underlying: Declined(code: 0))
                    case 1: throw Hopeless()
                    case 2: throw Declined(code: 2)
                    default: throw Declined(code: 3)
                    }
                }
            }
            try await engine.run()
            for (input, attempts) in [1, 1, 1, 4].enumerated() {
                let run = try await flow.start(input)
                try await engine.passTime(until: run.id)
                #expect(journal.count("try \(input)") == attempts)
                #expect(try await run.status() == .failed)
            }
        }
    }

    @Test("The next attempt's time survives a kill and a restart", arguments: StoreForm.allCases, [false, true])
    func survives(form: StoreForm, kills: Bool) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            func register() -> Workflow<Int, Int> {
                engine.client.workflow("flaky", input: Int.self) { _, step in
                    try await step.run("try", retry: .fixed(maxAttempts: 3, delay: .seconds(100), jitter: 0)) {
                        let count = journal.counting("try")
                        if count < 3 { throw Declined(code: count) }
                        return count
                    }
                }
            }
            let flow = register()
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.untilRetrying(run.id)
            let due = engine.clock.now.advanced(by: .seconds(100))
            engine.clock.advance(by: .seconds(40))
            if kills {
                try await engine.kill(downtime: .seconds(10))
            } else {
                try await engine.restart(downtime: .seconds(10))
            }
            let again = register()
            try await engine.run()
            // The timer is set when the run has been replayed; a probe behind it in the queue says so.
            let probe = engine.client.workflow("probe", input: Int.self) { _, step in try await step.run("p") { 1 } }
            let probed = try await probe.start(1)
            try await engine.until(probed.id) { $0.status.isFinal }
            engine.clock.advance(by: .seconds(49))
            #expect(journal.notes.count == 1)
            try await engine.passTime(until: run.id)
            #expect(try await again.run(run.id).result() == 3)
            let history = try await engine.history(of: run.id)
            let starts = history.filter { $0.kind == .stepStarted }.map(\.time)
            #expect(starts.count == 3)
            #expect(starts[1] == due)
        }
    }
}
