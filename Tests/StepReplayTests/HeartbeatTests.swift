import StepCore
import StepEvents
import StepLocks
import StepReplay
import Testing

/// What bodies tell of their progress: which is taken, and who is told when.
@Suite struct HeartbeatTests {
    // MARK: The machine

    @Test func theAttemptThatRunsIsTaken() throws {
        let bench = try MachineBench()
        let call = bench.run("a")
        _ = bench.settle()
        #expect(bench.beat(call, "1") == "2")
        #expect(bench.beat(call, "2") == "3")
        #expect(bench.settle() == ["2 stepHeartbeat 1", "3 stepHeartbeat 2"])
        bench.succeed(call, "42")
        #expect(bench.settle() == ["4 stepSucceeded", "deliver a 42"])
    }

    @Test func aBodyThatHasNotBegunHasNothingToTell() throws {
        let bench = try MachineBench()
        let call = bench.run("a")
        #expect(bench.beat(call, "1") == "CancellationError")
        #expect(bench.handOver() == ["1 stepStarted#1 after 0"])
        #expect(bench.beat(call, "1") == "CancellationError")
        #expect(bench.decisions() == [])
    }

    @Test func theNextAttemptGoesOnFromTheLastHeartbeat() throws {
        let bench = try MachineBench()
        let call = bench.run("a")
        _ = bench.settle()
        for json in ["1", "2"] { _ = bench.beat(call, json) }
        bench.fail(call)
        _ = bench.settle()
        bench.fire(1, after: 1)
        #expect(bench.settle() == ["5 stepStarted#2", "execute a#2 from 2"])
        bench.fail(call, attempt: 2)
        _ = bench.settle()
        bench.fire(1, after: 2)
        #expect(bench.settle() == ["7 stepStarted#3", "execute a#3 from 2"])
    }

    @Test func onlyTheStepItselfGoesOnFromIt() throws {
        let bench = try MachineBench()
        let call = bench.run("a")
        _ = bench.settle()
        _ = bench.beat(call, "1")
        bench.succeed(call, "0")
        _ = bench.settle()
        _ = bench.run("a")
        #expect(bench.settle() == ["4 stepStarted#1 after 3", "execute a:1#1"])
    }

    /// Failure, crash, inspection: what is rebuilt from the history.
    @Test func theHistoryKeepsTheLastHeartbeat() throws {
        var history = HistoryBuilder()
        let step = history.started("a")
        history.beat(step, "1")
        history.failed(step, retryIn: 1)
        history.startedAgain(step, attempt: 2)
        var beaten = history
        beaten.beat(step, "2")
        let retried = try MachineBench(history, secondsLater: 5)
        _ = retried.run("a")
        #expect(retried.settle() == ["5 stepInterrupted crash", "6 stepStarted#3", "execute a#3 from 1"])
        let inspected = try MachineBench(beaten)
        let call = inspected.run("a", .ask)
        #expect(
            inspected.settle() == ["6 stepInterrupted crash", "7 stepInterrupted inspection", "inspect a#2 from 2"])
        // The closure that finds out is no attempt.
        #expect(inspected.beat(call, attempt: 2, "3") == "CancellationError")
        inspected.machine.attemptEnded(call, attempt: 2, outcome: .tryAgain, at: inspected.time)
        #expect(inspected.settle() == ["8 stepStarted#3", "execute a#3 from 2"])
    }

    /// It is neither an end nor a start: crashes are counted, and steps take turns, as without it.
    @Test func interruptionsAreCountedAsWithoutHeartbeats() throws {
        var history = HistoryBuilder()
        let step = history.started("a")
        history.beat(step, "1")
        history.interrupted(step)
        history.startedAgain(step, attempt: 2)
        history.beat(step, "2")
        let bench = try MachineBench(history)
        _ = bench.run("a")
        #expect(bench.settle() == ["6 stepInterrupted crash", "await turn 1"])
        bench.machine.turnGranted(step, at: bench.time)
        #expect(bench.settle() == ["7 stepStarted#3", "execute a#3 from 2"])
        let limited = try MachineBench(history, maxInterruptions: 2)
        _ = limited.run("a")
        #expect(limited.settle().contains("7 stepFailed final"))
    }

    @Test func noOrderDependsOnHeartbeats() throws {
        let bench = try MachineBench()
        let call = bench.run("a")
        _ = bench.settle()
        let before = bench.now
        bench.time = bench.time.advanced(by: .seconds(9))
        _ = bench.beat(call, "1")
        _ = bench.settle()
        #expect(bench.now == before)
        let beside = bench.run("b")
        #expect(bench.settle() == ["3 stepStarted#1 after 0", "execute b#1"])
        bench.succeed(beside, "1")
        _ = bench.beat(call, "2")
        _ = bench.run("c")
        #expect(
            bench.settle() == [
                "4 stepSucceeded", "5 stepHeartbeat 2", "deliver b 1", "6 stepStarted#1 after 0", "execute c#1",
            ])
        #expect(!bench.onlyWaits)
    }

    @Test func lateBodiesAreRefused() throws {
        let bench = try MachineBench()
        let call = bench.run("a", timeout: .seconds(3))
        _ = bench.settle()
        bench.fire(1, .attemptTimeout(1), after: 3)
        #expect(bench.beat(call, "1") == "CancellationError")
        bench.fire(1, after: 1)
        #expect(bench.beat(call, "1") == "CancellationError")
        bench.fire(1, .abandon(1), after: 30)
        _ = bench.settle()
        #expect(bench.beat(call, "1") == "CancellationError")
        #expect(bench.beat(call, attempt: 2, "2") == "4")
        bench.succeed(call, attempt: 2, "42")
        #expect(bench.beat(call, attempt: 2, "2") == "CancellationError")
        _ = bench.settle()
        #expect(bench.beat(call, attempt: 2, "2") == "CancellationError")
    }

    @Test func aCancelledStepIsRefused() throws {
        let bench = try MachineBench()
        let call = bench.run("a")
        _ = bench.settle()
        bench.machine.cancelCall(call, at: bench.time)
        #expect(bench.beat(call, "1") == "CancellationError")
    }

    @Test func aFunctionThatLeavesMemoryOrHasEndedIsTold() throws {
        let unwound = try MachineBench()
        let call = unwound.run("a")
        _ = unwound.settle()
        unwound.machine.unwind(interrupting: false, at: unwound.time)
        #expect(unwound.beat(call, "1") == "RunUnwinding")
        let ended = try MachineBench()
        let other = ended.run("a")
        _ = ended.settle()
        ended.machine.functionEnded(.returned(.null), at: ended.time)
        #expect(ended.beat(other, "1") == "CancellationError")
    }
}

/// The instance: who waits is answered, once.
@Suite struct HeartbeatWaitTests {
    /// A body that tells of its progress once it is let go, and notes what it is told.
    private final class Beating: Sendable {
        let box = ModelBox()
        private let told = Locked<[String]>([])

        var notes: [String] { told.withLock { $0 } }

        func body(_ context: StepContext) async -> Int {
            await box.host?.gate(context)
            await beat(context)
            await box.host?.gate(context)
            return 1
        }

        func beat(_ context: StepContext) async {
            do {
                try await context.heartbeat("half")
                let last = try context.lastHeartbeat(as: String.self)
                told.withLock { $0.append(last ?? "nothing") }
            } catch {
                told.withLock { $0.append("\(type(of: error))") }
            }
        }
    }

    private static let key = HistoryBuilder.key("a")

    /// Begins a function and brings its body to where it waits for its heartbeat's commit.
    private static func beginBeating(_ beating: Beating, _ definition: WorkflowDefinition) throws -> ModelHost {
        let host = ModelHost(definition, log: InstanceTests.start())
        beating.box.host = host
        host.commitsAtOnce = false
        try host.begin()
        commit(host)
        host.happen(.body(key, attempt: 1))
        host.settle()
        return host
    }

    private static func commit(_ host: ModelHost) {
        host.happen(.commit)
        host.settle()
    }

    @Test func theBodyGoesOnWhenItsHeartbeatIsDurable() throws {
        let beating = Beating()
        let host = try Self.beginBeating(
            beating, flow { _, step in try await step.run("a") { await beating.body($0) } })
        #expect(host.log.map(\.kind) == [.runStarted, .stepStarted, .stepHeartbeat] && beating.notes == [])
        Self.commit(host)
        #expect(beating.notes == ["half"])
        host.happen(.body(Self.key, attempt: 1))
        host.settle()
        Self.commit(host)
        #expect(host.ends == [.succeeded(Payload(json: "1"))])
        host.finish()
    }

    @Test(arguments: [true, false])
    func aBodyIsToldAtOnceThatItsRunLeavesMemory(isHeld: Bool) throws {
        let beating = Beating()
        let host = try Self.beginBeating(
            beating, flow { _, step in try await step.run("a") { await beating.body($0) } })
        host.post(isHeld ? .hold(Failure(type: "T", message: "m")) : .unwind(interrupting: true))
        #expect(beating.notes == ["RunUnwinding"])
        // Its commit comes all the same.
        Self.commit(host)
        #expect(beating.notes == ["RunUnwinding"])
        host.finish()
    }

    @Test func aBodyIsToldAtOnceThatItsAttemptIsOver() throws {
        let beating = Beating()
        let host = try Self.beginBeating(
            beating, flow { _, step in try await step.run("a", timeout: .seconds(3)) { await beating.body($0) } })
        #expect(host.choices.contains(.timer(StepNumber(1))))
        host.happen(.timer(StepNumber(1)))
        host.settle()
        #expect(beating.notes == ["CancellationError"])
        Self.commit(host)
        #expect(beating.notes == ["CancellationError"])
        host.finish()
    }

    /// The body has ended, but not a task that it left behind; then the run ends, and with it what tells of commits.
    @Test func whoeverStillWaitsWhenTheRunEndsIsTold() throws {
        let beating = Beating()
        let host = ModelHost(
            flow { _, step in
                try await step.run("a") { context in
                    Task(executorPreference: beating.box.host?.bodyExecutor) { await beating.beat(context) }
                    await Task.yield()
                    return 1
                }
            }, log: InstanceTests.start())
        beating.box.host = host
        host.commitsAtOnce = false
        try host.begin()
        Self.commit(host)
        #expect(host.ends == [.succeeded(Payload(json: "1"))])
        #expect(host.log.map(\.kind).suffix(3) == [.stepHeartbeat, .stepSucceeded, .runSucceeded])
        #expect(beating.notes == ["CancellationError"])
        Self.commit(host)
        #expect(beating.notes == ["CancellationError"])
        host.finish()
    }

    /// Its host may be gone by then, so the instance must not need it.
    @Test func aBodyThatOutlivesTheExecutionIsAnsweredWithoutIt() throws {
        let beating = Beating()
        let host = ModelHost(
            flow { _, step in try await step.run("a") { await beating.body($0) } }, log: InstanceTests.start())
        beating.box.host = host
        try host.begin()
        host.post(.unwind(interrupting: true))
        #expect(host.ends == [.unwound])
        host.ignoresSchedules = true
        host.happen(.body(Self.key, attempt: 1))
        #expect(beating.notes == ["RunUnwinding"])
        host.ignoresSchedules = false
        host.finish()
    }
}
