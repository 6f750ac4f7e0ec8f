import StepCore
import StepEvents
import StepReplay
import Testing

/// How executions of a workflow function end.
@Suite struct EndingTests {
    private struct Broken: Error, CustomStringConvertible { var description: String { "broken" } }
    private struct Hopeless: NonRetryable, CustomStringConvertible { var description: String { "hopeless" } }

    @Test func theOutputIsRecorded() throws {
        let bench = try MachineBench()
        bench.machine.functionEnded(.returned(Payload(json: "9")), at: bench.time)
        #expect(bench.decisions() == ["1 runSucceeded", "ended succeeded 9"])
    }

    // MARK: Errors

    @Test func aFunctionThatThrewRunsAgainAndThenFails() throws {
        var history = HistoryBuilder()
        let options = WorkflowOptions(retry: RetryPolicy(maxAttempts: 2, jitter: 0))
        let bench = try MachineBench(history, options: options)
        bench.machine.functionEnded(.threw(Broken()), at: bench.time)
        #expect(bench.decisions() == ["1 runAttemptFailed", "ended retry in 1.0s"])

        history.attemptFailed(retryIn: 1)
        let next = try MachineBench(history, options: options)
        next.machine.functionEnded(.threw(Broken()), at: next.time)
        #expect(next.decisions() == ["2 runFailed", "ended failed broken"])
    }

    @Test func anErrorThatCannotBeMendedFailsTheRun() throws {
        let bench = try MachineBench()
        bench.machine.functionEnded(.threw(Hopeless()), at: bench.time)
        #expect(bench.decisions() == ["1 runFailed", "ended failed hopeless"])
    }

    @Test func aStepsErrorFailsTheRunWithoutASecondBudget() throws {
        let bench = try MachineBench()
        let error = StepError(
            runID: HistoryBuilder.runID, step: HistoryBuilder.key("a"), attempts: 4,
            failure: Failure(type: "T", message: "card refused"))
        bench.machine.functionEnded(.threw(error), at: bench.time)
        let lines = bench.decisions()
        #expect(lines.count == 2 && lines[0] == "1 runFailed")
        #expect(lines[1].hasPrefix("ended failed step a of run"))
    }

    @Test func aFunctionsRetryMayBeDelayed() throws {
        let bench = try MachineBench()
        bench.machine.functionEnded(.threw(RetryAfterError(after: .seconds(90))), at: bench.time)
        #expect(bench.decisions() == ["1 runAttemptFailed", "ended retry in 90.0s"])
    }

    @Test func finishedStepsStayFinishedAndCancelledOnesAreAskedForAnew() throws {
        var history = HistoryBuilder()
        let a = history.started("a", after: 0)
        let b = history.started("b", after: 0)
        history.succeeded(a, "1")
        history.cancelled(b)
        history.attemptFailed(retryIn: 1)
        let bench = try MachineBench(history, secondsLater: 1)
        _ = bench.run("a")
        _ = bench.run("b")
        #expect(bench.settle() == ["deliver a 1", "6 stepStarted#1 after 0", "execute b#1"])
    }

    @Test func whatAFailedAttemptLeftRunningIsCancelledAndAskedForAnewByTheNext() throws {
        let bench = try MachineBench()
        let left = bench.run("left")
        let wait = bench.wait("w", "paid")
        _ = bench.settle()
        bench.machine.functionEnded(.threw(Broken()), at: bench.time)
        let lines = bench.decisions()
        #expect(
            lines.filter { $0.first?.isNumber == true } == [
                "3 stepCancelled", "4 waitCancelled", "5 runAttemptFailed",
            ])
        #expect(lines.contains("cancel left#1") && lines.contains("stop awaiting paid for 2"))
        #expect(lines.contains("fail \(left.id) StepOutsideRunError"))
        #expect(lines.contains("fail \(wait.id) StepOutsideRunError"))
    }

    // MARK: What is left behind

    @Test func everyCallIsAnsweredWhenTheFunctionEnds() throws {
        let bench = try MachineBench()
        let running = bench.run("running")
        let accepted = bench.run("accepted")
        let waiting = bench.wait("waiting", "paid")
        _ = bench.settle()
        bench.succeed(accepted, "1")
        let asked = bench.run("asked")
        _ = bench.decisions()
        bench.machine.functionEnded(.returned(.null), at: bench.time)
        let lines = bench.decisions()
        for call in [running, accepted, waiting, asked] {
            #expect(lines.contains("fail \(call.id) StepOutsideRunError"), "\(call.id) hangs")
        }
        #expect(lines.contains("cancel running#1") && lines.contains("stop awaiting paid for 3"))
        #expect(lines.suffix(2) == ["5 runSucceeded", "ended succeeded null"])
        bench.succeed(running, "1")
        #expect(bench.settle() == ["report late running#1"])
    }

    @Test func aStepThatIsAskedForAfterTheEndIsRefused() throws {
        let bench = try MachineBench()
        bench.machine.functionEnded(.returned(.null), at: bench.time)
        _ = bench.decisions()
        _ = bench.run("late")
        #expect(bench.settle() == ["fail late StepOutsideRunError"])
    }

    @Test func nothingMoreIsAcceptedAfterTheEnd() throws {
        let bench = try MachineBench()
        _ = bench.wait("w", "paid")
        _ = bench.settle()
        bench.machine.functionEnded(.returned(.null), at: bench.time)
        _ = bench.decisions()
        bench.offer(1, "1")
        bench.fire(1)
        #expect(bench.cancelRun() == false)
        bench.machine.childEnded(StepNumber(1), .cancelled, at: bench.time)
        bench.machine.signalDelivered(StepNumber(1), to: .store, at: bench.time)
        #expect(bench.settle() == ["offer 1 not waiting"])
    }

    // MARK: Unwinding

    @Test func unwindingAnswersEveryCallAndKeepsWhatCameForTheRun() throws {
        var history = HistoryBuilder()
        history.finished("a", "1")
        _ = history.waits("later", "paid")
        let bench = try MachineBench(history)
        let accepted = bench.run("a")
        let asked = bench.run("new")
        bench.offer(3, "1")
        bench.machine.unwind(interrupting: false, at: bench.time)
        let lines = bench.decisions()
        for call in [accepted, asked] {
            #expect(lines.contains("fail \(call.id) RunUnwinding"), "\(call.id) hangs")
        }
        #expect(lines.contains("bounce offer 1") && lines.last == "ended unwound")
        #expect(bench.isAway)
        _ = bench.run("more")
        #expect(bench.settle() == ["fail more RunUnwinding"])
        bench.machine.functionEnded(.returned(.null), at: bench.time)
        #expect(bench.decisions().isEmpty)
    }

    @Test func anAttemptWhoseBodyNeverBeganIsNoInterruption() throws {
        let bench = try MachineBench()
        _ = bench.run("a", .fail)
        _ = bench.handOver()
        bench.machine.unwind(interrupting: false, at: bench.time)
        #expect(bench.decisions() == ["2 stepInterrupted notBegun", "fail a RunUnwinding", "ended unwound"])

        var history = HistoryBuilder()
        history.interrupted(history.started("a"), .notBegun)
        for policy in [RunStep.Interruption.retry, .fail, .ask] {
            let next = try MachineBench(history, maxInterruptions: 1)
            _ = next.run("a", policy)
            #expect(next.settle() == ["3 stepStarted#2", "execute a#2"])
        }
    }

    @Test func aBodyThatRunsWhenTheRunIsHeldIsNotCountedAsCrashed() throws {
        let bench = try MachineBench()
        _ = bench.run("a")
        _ = bench.settle()
        bench.machine.hold(Failure(type: "T", message: "m"), at: bench.time)
        #expect(
            bench.decisions() == [
                "2 stepInterrupted shutdown", "3 runHeld", "ended held T", "cancel a#1", "fail a RunUnwinding",
                "ended unwound",
            ])
    }

    // MARK: Shutdown

    @Test func nothingStartsWhileTheEngineShutsDownAndWhatRunsMayEnd() throws {
        let bench = try MachineBench()
        let running = bench.run("running")
        _ = bench.settle()
        _ = bench.run("asked")
        bench.machine.quiesce()
        #expect(bench.settle() == [])
        #expect(bench.hasRunningBodies)
        bench.succeed(running, "1")
        #expect(bench.settle() == ["2 stepSucceeded"])
        #expect(!bench.hasRunningBodies)
    }

    @Test func aTimedOutBodyIsRunningUntilItEnds() throws {
        let bench = try MachineBench()
        let call = bench.run("a", retry: RetryPolicy(maxAttempts: 1), timeout: .seconds(5))
        _ = bench.settle()
        bench.machine.quiesce()
        bench.fire(1, .attemptTimeout(1), after: 5)
        #expect(bench.hasRunningBodies)
        bench.fail(call)
        #expect(!bench.hasRunningBodies)
    }

    @Test func onlyWaitsSaysWhetherTheRunCouldLeaveMemory() throws {
        let bench = try MachineBench()
        #expect(!bench.onlyWaits)
        _ = bench.wait("w", "paid")
        #expect(!bench.onlyWaits)
        _ = bench.settle()
        #expect(bench.onlyWaits)
        let call = bench.run("a")
        _ = bench.settle()
        #expect(!bench.onlyWaits)
        bench.fail(call)
        #expect(bench.onlyWaits)
        bench.fire(2, after: 1)
        #expect(!bench.onlyWaits)
    }
}
