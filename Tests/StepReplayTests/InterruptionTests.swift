import StepCore
import StepEvents
import StepReplay
import Testing

/// Attempts that a crash or a shutdown cut off.
@Suite struct InterruptionTests {
    @Test func aTurnIsOnlyTakenByAStepThatTheCodeAskedForAndThatWaitsForIt() throws {
        var history = HistoryBuilder()
        let step = history.started("a")
        history.interrupted(step)
        history.startedAgain(step, attempt: 2)
        history.interrupted(step)
        let bench = try MachineBench(history)
        // Granted to the instance before this one.
        bench.machine.turnGranted(step, at: bench.time)
        #expect(bench.settle() == ["end turn 1"])
        _ = bench.run("a")
        #expect(bench.settle() == ["await turn 1"])
        bench.machine.turnGranted(step, at: bench.time)
        #expect(bench.settle() == ["5 stepStarted#3", "execute a#3"])
        bench.machine.turnGranted(step, at: bench.time)
        #expect(bench.settle() == ["end turn 1"])
    }

    private func history(interruptions: Int) -> HistoryBuilder {
        var history = HistoryBuilder()
        let step = history.started("a")
        for attempt in 0..<interruptions {
            history.interrupted(step)
            history.startedAgain(step, attempt: UInt32(attempt + 2))
        }
        return history
    }

    @Test func anAttemptThatACrashCutOffIsCountedAndStartedAnew() throws {
        let bench = try MachineBench(history(interruptions: 0))
        _ = bench.run("a")
        #expect(bench.settle() == ["2 stepInterrupted crash", "3 stepStarted#2", "execute a#2"])
    }

    @Test func anInterruptionThatIsRecordedIsNotCountedAgain() throws {
        var history = HistoryBuilder()
        history.interrupted(history.started("a"))
        let bench = try MachineBench(history)
        _ = bench.run("a")
        #expect(bench.settle() == ["3 stepStarted#2", "execute a#2"])
    }

    @Test func aStepThatMustNotRunTwiceFails() throws {
        let bench = try MachineBench(history(interruptions: 0))
        _ = bench.run("a", .fail)
        #expect(
            bench.settle() == [
                "2 stepInterrupted crash", "3 stepFailed final",
                "fail a StepError(the process ended 1 time while the step's body ran) after 1",
            ])
    }

    @Test func interruptionsDoNotUseUpAttempts() throws {
        let bench = try MachineBench(history(interruptions: 1))
        let call = bench.run("a", retry: RetryPolicy(maxAttempts: 2, jitter: 0))
        _ = bench.settle()
        bench.machine.turnGranted(StepNumber(1), at: bench.time)
        _ = bench.settle()
        bench.fail(call, attempt: 3)
        #expect(
            bench.settle() == ["6 stepFailed retry", "end turn 1", "timer 1 due in 1.0s"])
    }

    // MARK: Turns

    @Test func aStepThatWasInterruptedTwiceWaitsForItsTurn() throws {
        let bench = try MachineBench(history(interruptions: 1))
        let call = bench.run("a")
        #expect(bench.settle() == ["4 stepInterrupted crash", "await turn 1"])
        bench.machine.turnGranted(StepNumber(1), at: bench.time)
        #expect(bench.settle() == ["5 stepStarted#3", "execute a#3"])
        bench.succeed(call, attempt: 3, "1")
        #expect(bench.settle() == ["6 stepSucceeded", "end turn 1", "deliver a 1"])
    }

    @Test func aTurnForAStepThatWasCancelledMeanwhileIsGivenBack() throws {
        let bench = try MachineBench(history(interruptions: 1))
        let call = bench.run("a")
        _ = bench.settle()
        bench.machine.cancelCall(call, at: bench.time)
        #expect(bench.settle() == ["5 stepCancelled", "fail a CancellationError"])
        bench.machine.turnGranted(StepNumber(1), at: bench.time)
        #expect(bench.decisions() == ["end turn 1"])
    }

    @Test func aStepThatKeepsKillingTheProcessFails() throws {
        let bench = try MachineBench(history(interruptions: 2), maxInterruptions: 3)
        _ = bench.run("a")
        #expect(
            bench.settle() == [
                "6 stepInterrupted crash", "7 stepFailed final",
                "fail a StepError(the process ended 3 times while the step's body ran) after 3",
            ])
    }

    // MARK: Finding out

    private func inspected() throws -> (MachineBench, StepCall) {
        let bench = try MachineBench(history(interruptions: 0))
        let call = bench.run("a", .ask)
        #expect(bench.settle() == ["2 stepInterrupted crash", "3 stepInterrupted inspection", "inspect a#1"])
        return (bench, call)
    }

    @Test func anInspectionMayFindTheStepCompleted() throws {
        let (bench, call) = try inspected()
        bench.succeed(call, "42")
        #expect(bench.settle() == ["4 stepSucceeded", "deliver a 42"])
    }

    @Test func anInspectionMayHaveTheStepTriedAgain() throws {
        let (bench, call) = try inspected()
        bench.machine.attemptEnded(call, attempt: 1, outcome: .tryAgain, at: bench.time)
        #expect(bench.settle() == ["4 stepStarted#2", "execute a#2"])
    }

    @Test func anInspectionMayGiveUp() throws {
        let (bench, call) = try inspected()
        bench.machine.attemptEnded(call, attempt: 1, outcome: .giveUp, at: bench.time)
        #expect(
            bench.settle() == [
                "4 stepFailed final", "fail a StepError(the process ended 1 time while the step's body ran) after 1",
            ])
    }

    @Test func anInspectionThatThrowsIsFinal() throws {
        let (bench, call) = try inspected()
        bench.fail(call, message: "nobody knows")
        #expect(
            bench.settle() == ["4 stepFailed final", "fail a StepError(nobody knows) after 1"])
    }

    /// A history in which crashes cut off the attempt, and then inspections of it.
    private func history(inspections: Int, _ end: StepInterrupted.Reason? = nil) -> HistoryBuilder {
        var history = HistoryBuilder()
        let step = history.started("a")
        for _ in 0..<inspections {
            history.interrupted(step)
            history.interrupted(step, .inspection)
        }
        if let end { history.interrupted(step, end) }
        return history
    }

    @Test func anInspectionThatACrashCutOffIsCountedAndMadeAgain() throws {
        let bench = try MachineBench(history(inspections: 1))
        _ = bench.run("a", .ask)
        #expect(bench.settle() == ["4 stepInterrupted crash", "await turn 1"])
        bench.machine.turnGranted(StepNumber(1), at: bench.time)
        #expect(bench.settle() == ["5 stepInterrupted inspection", "inspect a#1"])
        bench.machine.unwind(interrupting: true, at: bench.time)
        #expect(
            bench.decisions() == [
                "6 stepInterrupted shutdown", "end turn 1", "cancel a#1", "fail a RunUnwinding", "ended unwound",
            ])
    }

    @Test func anInspectionThatKeepsKillingTheProcessFailsTheStep() throws {
        let bench = try MachineBench(history(inspections: 2), maxInterruptions: 3)
        _ = bench.run("a", .ask)
        #expect(
            bench.settle() == [
                "6 stepInterrupted crash", "7 stepFailed final",
                "fail a StepError(the process ended 3 times while the step's body ran) after 1",
            ])
    }

    @Test func anInspectionThatAShutdownCutOffIsNotCounted() throws {
        let bench = try MachineBench(history(inspections: 1, .shutdown), maxInterruptions: 2)
        _ = bench.run("a", .ask)
        #expect(bench.settle() == ["5 stepInterrupted inspection", "inspect a#1"])
    }

    @Test func anInspectionThatHadNotBegunAtAShutdownIsNotCounted() throws {
        let bench = try MachineBench(history(interruptions: 0))
        _ = bench.run("a", .ask)
        _ = bench.handOver()
        bench.machine.unwind(interrupting: false, at: bench.time)
        #expect(bench.decisions() == ["4 stepInterrupted shutdown", "fail a RunUnwinding", "ended unwound"])
    }

    @Test func whatWasInterruptedTwiceIsTriedAgainInItsTurn() throws {
        let bench = try MachineBench(history(interruptions: 1))
        let call = bench.run("a")
        _ = bench.settle()
        bench.machine.turnGranted(StepNumber(1), at: bench.time)
        _ = bench.settle()
        bench.fail(call, attempt: 3)
        #expect(bench.settle() == ["6 stepFailed retry", "end turn 1", "timer 1 due in 1.0s"])
        bench.fire(1, after: 1)
        #expect(bench.settle() == ["await turn 1"])
        bench.machine.turnGranted(StepNumber(1), at: bench.time)
        #expect(bench.settle() == ["7 stepStarted#4", "execute a#4"])
    }

    @Test func aVerdictToTryAgainKeepsTheTurn() throws {
        let bench = try MachineBench(history(inspections: 1))
        let call = bench.run("a", .ask)
        _ = bench.settle()
        bench.machine.turnGranted(StepNumber(1), at: bench.time)
        _ = bench.settle()
        bench.machine.attemptEnded(call, attempt: 1, outcome: .tryAgain, at: bench.time)
        #expect(bench.settle() == ["6 stepStarted#2", "execute a#2"])
    }

    // MARK: Shutdown

    @Test func aBodyCutByAShutdownIsRecordedAndNotCounted() throws {
        let bench = try MachineBench()
        _ = bench.run("a")
        _ = bench.settle()
        bench.machine.unwind(interrupting: true, at: bench.time)
        #expect(
            bench.decisions() == [
                "2 stepInterrupted shutdown", "cancel a#1", "fail a RunUnwinding", "ended unwound",
            ])
        bench.machine.functionEnded(.threw(RunUnwinding()), at: bench.time)
        #expect(bench.decisions().isEmpty)

        var history = HistoryBuilder()
        let step = history.started("a")
        history.interrupted(step, .shutdown)
        history.startedAgain(step, attempt: 2)
        history.interrupted(step, .shutdown)
        let next = try MachineBench(history, maxInterruptions: 1)
        _ = next.run("a")
        #expect(next.settle() == ["5 stepStarted#3", "execute a#3"])
    }
}
