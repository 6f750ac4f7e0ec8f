import Logging
import StepCore
import StepEvents
import StepLocks
import StepReplay
import TestSupport
import Testing

/// Functions that catch `RunUnwinding` and go on, and those that look as if they did.
@Suite struct SwallowedUnwindingTests {
    private let recorder = LogRecorder()

    private func host(
        _ body: @escaping @Sendable (WorkflowContext<Int>, Step) async throws -> Int?
    ) throws -> ModelHost {
        let host = ModelHost(flow(body), log: InstanceTests.start(), logger: recorder.logger)
        try host.begin()
        return host
    }

    /// What was swallowed, as "step that threw > step that was asked for", and which calls are never answered.
    private func findings(_ host: ModelHost) -> [String] {
        host.reports.map { report in
            switch report {
            case .unwinding(.swallowed(let earlier, let asked)): "\(earlier) > \(asked)"
            case .unwinding(.suspended(let call)): "\(call) hangs"
            case .unwinding(.leftBehind(let call)): "\(call) left behind"
            default: "\(report)"
            }
        }
    }

    @Test func aStepThatFollowsInTheSameTaskIsToldOfOnce() throws {
        let first = #line + 2
        let host = try host { _, step in
            try? await step.sleep("one", for: .seconds(1))
            try await step.group("g") { step in try? await step.sleep("two", for: .seconds(1)) }
            try? await step.sleep("three", for: .seconds(1))
            return 1
        }
        host.post(.park)
        #expect(host.ends == [.unwound])
        #expect(findings(host) == ["one > g/two"])
        let line = try #require(recorder.lines.first)
        #expect(recorder.lines.count == 1 && line.level == .warning)
        #expect(line.message.contains("RunUnwinding was swallowed") && line.message.contains("throw error"))
        let file = "StepReplayTests/SwallowedUnwindingTests.swift"
        #expect(line.metadata["thrown by"] == "one" && line.metadata["thrown at"] == "\(file):\(first)")
        #expect(line.metadata["step"] == "g/two" && line.metadata["site"] == "\(file):\(first + 1)")
        #expect(line.metadata["workflow"] != nil && line.metadata["run"] != nil)
        host.finish()
    }

    @Test func eachTaskThatDoesItIsToldOf() throws {
        let host = try host { _, step in
            await withTaskGroup(of: Void.self) { group in
                for branch in 0..<3 {
                    group.addTask {
                        for round in 0..<4 { try? await step.sleep("\(branch).\(round)", for: .seconds(1)) }
                    }
                }
            }
            return 1
        }
        host.post(.park)
        #expect(findings(host).sorted() == ["0.0 > 0.1", "1.0 > 1.1", "2.0 > 2.1"])
        host.finish()
    }

    /// A branch that is busy with something else can't know yet.
    @Test func aBranchThatHasNotHeardOfItMayAsk() throws {
        let latch = Latch()
        let host = try host { _, step in
            async let nap: Void = step.sleep("nap", for: .seconds(1))
            async let other: Void = {
                await latch.wait()
                try await step.sleep("other", for: .seconds(1))
            }()
            await latch.wait()
            try await step.sleep("own", for: .seconds(1))
            _ = try await (nap, other)
            return 1
        }
        host.post(.park)
        #expect(host.ends == [.unwound])
        latch.open()
        host.settle()
        #expect(host.reports == [] && recorder.lines.isEmpty)
        host.finish()
    }

    /// Children that are made one after another lie at the same place in memory; each hears of it once.
    @Test func aLaterTaskIsNotTakenForOneThatHasEnded() throws {
        let latch = Latch()
        let places = Journal()
        let host = try host { _, step in
            async let nap: Void = step.sleep("nap", for: .seconds(1))
            await latch.wait()
            for number in 0..<20 {
                async let child: Void = {
                    places.note("\(withUnsafeCurrentTask { $0?.hashValue } ?? 0)")
                    try await step.sleep("child \(number)", for: .seconds(1))
                }()
                _ = try? await child
            }
            try await nap
            return 1
        }
        host.post(.park)
        latch.open()
        host.settle()
        #expect(places.notes.count == 20 && Set(places.notes).count < 20, "or this test shows nothing")
        #expect(host.reports == [] && recorder.lines.isEmpty)
        host.finish()
    }

    @Test func cleaningUpInACatchAllIsNoSwallowing() throws {
        let host = try host { _, step in
            do {
                try await step.sleep("nap", for: .seconds(1))
            } catch {
                try await step.cleanup { step in
                    try await step.sleep("settle", for: .seconds(1))
                    try await step.run("release") {}
                }
                throw error
            }
            return 1
        }
        host.post(.park)
        #expect(host.ends == [.unwound] && host.reports == [] && recorder.lines.isEmpty)
        host.finish()
    }

    @Test func aRaceAndWhatThrowsItOnAreNoSwallowing() throws {
        let host = try host { _, step in
            defer { _ = step.scope }
            do {
                return try await step.race("first") { step in
                    try await step.sleep("nap", for: .seconds(1))
                    return 1
                } _: { step in
                    try await step.waitForSignal("w", signal: "s", as: Int.self)
                }
            } catch let error as StepError {
                return error.attempts
            }
        }
        host.post(.park)
        #expect(host.ends == [.unwound] && host.reports == [] && recorder.lines.isEmpty)
        host.finish()
    }

    @Test func aLoopThatSwallowsEverythingIsLeftBehind() throws {
        let rounds = Journal()
        let host = try host { _, step in
            while true {
                rounds.note("asks")
                if (try? await step.sleep("nap", for: .seconds(1))) != nil { return 1 }
            }
        }
        host.post(.park)
        // The run is free although its old function hangs, and continues in a new one.
        #expect(host.ends == [.unwound])
        #expect(rounds.notes.count == 66)
        #expect(findings(host) == ["nap > nap", "nap hangs"])
        #expect(recorder.lines.map(\.level) == [.warning, .error])
        #expect(recorder.lines.allSatisfy { $0.metadata["site"] != nil })
        try host.begin()
        host.happen(host.choices[0])
        host.settle()
        #expect(host.ends == [.unwound, .succeeded(Payload(json: "1"))])
        host.finish()
    }

    @Test func aTaskThatAFunctionLeftBehindDoesNotSpinAfterUnwinding() throws {
        let rounds = Journal()
        let host = try host { _, step in
            Task(executorPreference: step.runtime.runExecutor) {
                while true {
                    rounds.note("asks")
                    try? await step.sleep("leaked", for: .seconds(1))
                }
            }
            try await step.sleep("nap", for: .seconds(1))
            return 1
        }
        host.post(.park)
        #expect(host.ends == [.unwound])
        #expect(rounds.notes.count == 1_026)
        // Only its first call threw RunUnwinding: the function has ended by the second.
        #expect(findings(host) == ["leaked left behind"])
        host.finish()
    }

    @Test func callsOfAFinishedRunAreAllAnswered() throws {
        let refusals = Journal()
        let host = try host { _, step in
            Task(executorPreference: step.runtime.runExecutor) {
                for _ in 0..<200 {
                    do {
                        try await step.sleep("leaked", for: .seconds(1))
                    } catch is StepOutsideRunError {
                        refusals.note("refused")
                    }
                }
            }
            return 1
        }
        #expect(host.ends == [.succeeded(Payload(json: "1"))])
        #expect(refusals.notes.count == 200)
        #expect(host.reports == [] && recorder.lines.isEmpty)
        host.finish()
    }

    /// A ticker that was not tied to the function would keep its thread busy for ever.
    @Test func aTaskThatOutlivesItsRunIsSuspendedInTheEnd() throws {
        let refusals = Journal()
        let host = try host { _, step in
            Task(executorPreference: step.runtime.runExecutor) {
                while true {
                    refusals.note("asks")
                    try? await step.sleep("tick", for: .seconds(1))
                }
            }
            return 1
        }
        #expect(host.ends == [.succeeded(Payload(json: "1"))])
        #expect(refusals.notes.count == 1_025)
        #expect(findings(host) == ["tick left behind"])
        host.finish()
    }

    /// Where branches wait for something that is no step.
    private final class Waiters: Sendable {
        private let continuations = Locked<[UnsafeContinuation<Void, Never>]>([])

        func wait() async {
            await withUnsafeContinuation { continuation in continuations.withLock { $0.append(continuation) } }
        }

        func resumeAll() {
            for continuation in continuations.withLock({ $0 }) { continuation.resume() }
        }
    }

    @Test func branchesThatHearOfItLateAreAllAnswered() throws {
        let (gates, ends) = (Journal(), Journal())
        let waiting = Waiters()
        let host = try host { _, step in
            async let nap: Void = step.sleep("nap", for: .seconds(1))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<100 {
                    group.addTask {
                        gates.note("gate")
                        await waiting.wait()
                        defer { ends.note("end") }
                        try await step.run("branch \(number)") {}
                    }
                }
                try await group.waitForAll()
            }
            try await nap
            return 1
        }
        #expect(gates.notes.count == 100)
        host.post(.park)
        waiting.resumeAll()
        host.settle()
        #expect(ends.notes.count == 100)
        #expect(host.reports == [] && recorder.lines.isEmpty)
        host.finish()
    }
}

@Suite struct TaskIdentityTests {
    @Test func aTaskIsItselfAndNoOther() async throws {
        var seen: Set<TaskIdentity> = []
        for _ in 0..<50 {
            async let child = {
                let identity = await TaskIdentity.ofCurrentTask()
                await Task.yield()
                let again = await TaskIdentity.ofCurrentTask()
                #expect(identity == again)
                return identity
            }()
            seen.insert(try #require(await child))
        }
        #expect(seen.count == 50)
        let own = try #require(await TaskIdentity.ofCurrentTask())
        #expect(!seen.contains(own))
    }

    @Test @MainActor func anActorIsComeBackTo() async throws {
        let own = try #require(await TaskIdentity.ofCurrentTask())
        MainActor.assertIsolated()
        let elsewhere = await Self.offMain()
        #expect(elsewhere == own)
    }

    @concurrent private static func offMain() async -> TaskIdentity? { await TaskIdentity.ofCurrentTask() }
}

/// What workflow functions wait for that is no step.
private final class Latch: Sendable {
    private let waiting = Locked<[UnsafeContinuation<Void, Never>]>([])

    func wait() async { await withUnsafeContinuation { waiter in waiting.withLock { $0.append(waiter) } } }

    func open() {
        for waiter in waiting.withLock({ waiters in
            defer { waiters = [] }
            return waiters
        }) { waiter.resume() }
    }
}
