import StepCore
import StepEvents
import StepReplay
import Testing

/// Losers of races, and the cancellation of a whole run.
@Suite struct CancellationTests {
    @Test func aRunningStepIsCancelled() throws {
        let bench = try MachineBench()
        let call = bench.run("a")
        _ = bench.settle()
        bench.machine.cancelCall(call, at: bench.time)
        #expect(bench.settle() == ["cancel a#1", "2 stepCancelled", "fail a CancellationError"])
        bench.succeed(call, "1")
        #expect(bench.settle() == ["report late a#1"])
    }

    @Test func aRecordedCancellationIsRepeatedAndTheStepNeverStartsAgain() throws {
        var history = HistoryBuilder()
        history.cancelled(history.started("a"))
        history.cancelled(history.started("a", 1))
        let bench = try MachineBench(history)
        _ = bench.run("a")
        #expect(bench.settle() == ["fail a CancellationError"])
        _ = bench.run("a")
        #expect(bench.settle() == ["fail a CancellationError"])
    }

    @Test func anOutcomeThatWasAcceptedFirstStands() throws {
        let bench = try MachineBench()
        let call = bench.run("a")
        _ = bench.settle()
        bench.succeed(call, "1")
        bench.machine.cancelCall(call, at: bench.time)
        #expect(bench.settle() == ["2 stepSucceeded", "deliver a 1"])
    }

    @Test func aStepThatIsCancelledBeforeItBeganLeavesNoTrace() throws {
        let bench = try MachineBench()
        let call = bench.run("a")
        bench.machine.cancelCall(call, at: bench.time)
        #expect(bench.settle() == ["fail a CancellationError"])
        // Its occurrence is used up, as it will be on replay.
        _ = bench.run("a")
        #expect(bench.settle() == ["1 stepStarted#1 after 0", "execute a:1#1"])
    }

    @Test func aCancelledTaskGetsNoNewStep() throws {
        let bench = try MachineBench()
        _ = bench.run("a", isCancelled: true)
        #expect(bench.settle() == ["fail a CancellationError"])
    }

    @Test func aCancelledTaskCancelsTheStepThatItTakesUpAgain() throws {
        var history = HistoryBuilder()
        history.started("a")
        let bench = try MachineBench(history)
        _ = bench.run("a", isCancelled: true)
        #expect(bench.settle() == ["2 stepCancelled", "fail a CancellationError"])
    }

    @Test func aStepThatWaitsForItsNextAttemptIsCancelled() throws {
        var history = HistoryBuilder()
        history.failed(history.started("a"), retryIn: 60)
        let bench = try MachineBench(history)
        let call = bench.run("a")
        _ = bench.settle()
        bench.machine.cancelCall(call, at: bench.time)
        #expect(bench.settle() == ["3 stepCancelled", "fail a CancellationError"])
    }

    @Test func aStepWhoseStartIsNotDurableYetIsCancelledWithoutItsBody() throws {
        let bench = try MachineBench()
        let call = bench.run("a")
        _ = bench.handOver()
        bench.machine.cancelCall(call, at: bench.time)
        #expect(bench.settle() == ["2 stepCancelled", "fail a CancellationError"])
    }

    // MARK: The order of a race

    @Test func twoCompletionsInOneCommitAreHandedOverOneAtATime() throws {
        let bench = try MachineBench()
        let a = bench.run("a")
        let b = bench.run("b")
        _ = bench.settle()
        bench.succeed(b, "2")
        bench.succeed(a, "1")
        _ = bench.decisions()
        #expect(bench.handOver() == ["deliver b 2"])
        // The winner cancels the other branch, whose outcome was accepted already.
        bench.machine.cancelCall(a, at: bench.time)
        #expect(bench.handOver() == ["deliver a 1"])
    }

    @Test func aReplayHandsOverByTheHistoryAndNotByTheOrderOfTheQuestions() throws {
        var history = HistoryBuilder()
        let a = history.started("a", after: 0)
        let b = history.started("b", after: 0)
        let c = history.started("c", after: 0)
        history.succeeded(c, "3")
        history.succeeded(a, "1")
        history.cancelled(b)
        let bench = try MachineBench(history)
        for id in ["a", "b", "c"] { _ = bench.run(id) }
        #expect(bench.handOver() == ["deliver c 3"])
        #expect(bench.now == HistoryBuilder.second(4))
        #expect(bench.handOver() == ["deliver a 1"])
        #expect(bench.handOver() == ["fail b CancellationError"])
    }

    @Test func nothingStartsWhileARecordedOutcomeIsToBeHandedOver() throws {
        var history = HistoryBuilder()
        history.finished("a", "1")
        let bench = try MachineBench(history)
        _ = bench.run("new")
        _ = bench.run("a")
        #expect(bench.handOver() == ["deliver a 1"])
        #expect(bench.handOver() == ["3 stepStarted#1 after 0"])
    }

    // MARK: The run

    @Test func cancellingTheRunIsHandedOverInItsTurn() throws {
        let bench = try MachineBench()
        let a = bench.run("a")
        let b = bench.run("b")
        _ = bench.settle()
        bench.succeed(a, "1")
        #expect(bench.cancelRun() == true)
        bench.succeed(b, "2")
        _ = bench.decisions()
        #expect(bench.handOver() == ["deliver a 1"])
        #expect(bench.handOver() == ["cancel function"])
        bench.machine.cancelCall(b, at: bench.time)
        #expect(bench.handOver() == ["deliver b 2"])
        bench.machine.functionEnded(.threw(CancellationError()), at: bench.time)
        #expect(bench.decisions() == ["6 runCancelled", "ended cancelled"])
    }

    @Test func cancellingTwiceIsOneCancellation() throws {
        let bench = try MachineBench()
        _ = bench.run("a")
        _ = bench.settle()
        #expect(bench.cancelRun() == true)
        #expect(bench.cancelRun() == false)
        #expect(bench.settle() == ["2 runCancelRequested", "cancel function"])
    }

    @Test func aRecordedCancellationOfTheRunTakesItsPlaceInTheOrder() throws {
        var history = HistoryBuilder()
        history.finished("a", "1")
        let b = history.started("b")
        history.cancelRequested()
        history.cancelled(b)
        history.finished("undo", "3")
        let bench = try MachineBench(history)
        _ = bench.run("a")
        #expect(bench.handOver() == ["deliver a 1"])
        _ = bench.run("b")
        #expect(bench.handOver() == ["cancel function"])
        #expect(bench.handOver() == ["fail b CancellationError"])
        _ = bench.run("undo")
        #expect(bench.handOver() == ["deliver undo 3"])
    }

    @Test func aCancellationWaitsForCodeThatIsBusyOutsideOfSteps() throws {
        var history = HistoryBuilder()
        history.finished("a", "1")
        history.cancelRequested()
        let bench = try MachineBench(history)
        #expect(bench.handOver() == [])
        _ = bench.run("a")
        #expect(bench.handOver() == ["deliver a 1"])
        #expect(bench.handOver() == ["cancel function"])
    }

    @Test func aCancelledRunEndsAsCancelledWhateverItReturns() throws {
        for outcome in [FunctionOutcome.returned(.null), .threw(CancellationError())] {
            var history = HistoryBuilder()
            history.cancelRequested()
            let bench = try MachineBench(history)
            #expect(bench.handOver() == ["cancel function"])
            bench.machine.functionEnded(outcome, at: bench.time)
            #expect(bench.decisions() == ["2 runCancelled", "ended cancelled"])
        }
    }
}
