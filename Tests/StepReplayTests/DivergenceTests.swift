import StepCore
import StepEvents
import StepReplay
import Testing

/// Code and history that do not fit.
@Suite struct DivergenceTests {
    @Test func theSameKeyWithAnotherKindHoldsTheRun() throws {
        var history = HistoryBuilder()
        history.finished("a", "1")
        let bench = try MachineBench(history)
        _ = bench.sleep("a", seconds: 1)
        #expect(
            bench.settle() == [
                "3 runHeld", "ended held StepCore.DivergenceError", "ended unwound", "fail a RunUnwinding",
            ])
        bench.machine.functionEnded(.threw(RunUnwinding()), at: bench.time)
        #expect(bench.decisions().isEmpty)
    }

    @Test func theErrorNamesBothSidesAndThePlace() throws {
        var history = HistoryBuilder()
        history.finished("a", "1")
        let bench = try MachineBench(history)
        _ = bench.ask("a", .sleep(.duration(.seconds(1))), line: 17)
        let message = bench.machine.takeActions().compactMap { action in
            if case .ended(.held(let failure)) = action { failure } else { nil }
        }.first
        #expect(message?.message.contains("step.run") == true)
        #expect(message?.message.contains("step.sleep") == true)
        #expect(message?.site == "Tests/Flow.swift:17")
    }

    @Test func aHeldRunResumesWithAllThatItHad() throws {
        var history = HistoryBuilder()
        history.finished("a", "1")
        history.add(.runHeld(RunHeld(failure: Failure(type: "T", message: "m"))))
        let bench = try MachineBench(history)
        bench.machine.resume(at: bench.time)
        #expect(bench.decisions() == ["4 runResumed"])
        _ = bench.run("a")
        #expect(bench.settle() == ["deliver a 1"])
    }

    @Test func aHeldRunThatIsCancelledEndsAtOnce() throws {
        var history = HistoryBuilder()
        history.add(.runHeld(RunHeld(failure: Failure(type: "T", message: "m"))))
        let bench = try MachineBench(history)
        #expect(bench.cancelRun() == true)
        #expect(bench.decisions() == ["2 runCancelRequested", "3 runCancelled", "ended cancelled"])
    }

    @Test func anotherOrderIsReported() throws {
        var history = HistoryBuilder()
        history.finished("a", "1")
        history.finished("b", "2")
        let bench = try MachineBench(history)
        _ = bench.run("b")
        #expect(bench.settle() == ["report order b recorded 2 found 0", "deliver b 2"])
        _ = bench.run("a")
        #expect(bench.settle() == ["report order a recorded 0 found 4", "deliver a 1"])
    }

    @Test func anotherOrderHoldsTheRunWhereTheWorkflowIsStrict() throws {
        var history = HistoryBuilder()
        history.finished("a", "1")
        history.finished("b", "2")
        let bench = try MachineBench(history, options: WorkflowOptions(ordering: .strict))
        _ = bench.run("b")
        #expect(
            bench.settle() == [
                "report order b recorded 2 found 0", "5 runHeld", "ended held StepCore.DivergenceError",
                "ended unwound", "fail b RunUnwinding",
            ])
    }

    @Test func theSameOrderIsNoMismatchWhereTheWorkflowIsStrict() throws {
        var history = HistoryBuilder()
        history.finished("a", "1")
        history.finished("b", "2")
        let bench = try MachineBench(history, options: WorkflowOptions(ordering: .strict))
        _ = bench.run("a")
        #expect(bench.settle() == ["deliver a 1"])
        _ = bench.run("b")
        #expect(bench.settle() == ["deliver b 2"])
    }

    @Test func aStepOfAnEarlierAttemptOfTheFunctionHasNoPlaceInTheOrderOfThis() throws {
        var history = HistoryBuilder()
        let winner = history.started("winner", after: 0)
        let loser = history.started("loser", after: 0)
        history.succeeded(winner, "1")
        history.cancelled(loser)
        history.finished("next", "2")
        history.attemptFailed(retryIn: 1)
        let bench = try MachineBench(history, options: WorkflowOptions(ordering: .strict), secondsLater: 1)
        _ = bench.run("winner")
        let call = bench.run("loser")
        #expect(bench.handOver() == ["deliver winner 1"])
        bench.machine.cancelCall(call, at: bench.time)
        #expect(bench.decisions() == ["fail loser CancellationError"])
        // In the first attempt it was asked for after the loser's recorded cancellation.
        _ = bench.run("next")
        #expect(bench.settle() == ["deliver next 2"])
    }

    // MARK: Ids that are asked for twice at once

    @Test func anIDThatIsPendingIsRefused() throws {
        let bench = try MachineBench()
        let first = bench.run("a", line: 1)
        _ = bench.run("a", line: 2)
        var message = ""
        for case .answer(_, .fail(let error as AmbiguousStepError)) in bench.machine.takeActions() {
            message = error.description
        }
        #expect(message.contains("Tests/Flow.swift:1") && message.contains("Tests/Flow.swift:2"))
        #expect(bench.settle() == ["1 stepStarted#1 after 0", "execute a#1"])
        bench.succeed(first, "1")
        _ = bench.settle()
        // The refused call did not use up an occurrence.
        _ = bench.run("a")
        #expect(bench.settle() == ["3 stepStarted#1 after 2", "execute a:1#1"])
    }

    @Test func anIDThatIsPendingMayBeCountedByOrder() throws {
        let bench = try MachineBench(options: WorkflowOptions(duplicates: .byOrder))
        _ = bench.run("a", line: 1)
        _ = bench.run("a", line: 2)
        #expect(
            bench.settle() == [
                "1 stepStarted#1 after 0", "2 stepStarted#1 after 0", "execute a#1", "execute a:1#1",
            ])
    }

    @Test func theSameIDInTwoScopesIsNotAmbiguous() throws {
        let bench = try MachineBench()
        _ = bench.run("a", in: "left")
        _ = bench.run("a", in: "right")
        #expect(
            bench.settle() == [
                "1 stepStarted#1 after 0", "2 stepStarted#1 after 0", "execute left/a#1", "execute right/a#1",
            ])
    }

    // MARK: History that nobody asks for

    @Test func historyThatTheCodeNoLongerAsksForIsPassedOverAndReported() throws {
        var history = HistoryBuilder()
        history.finished("gone", "0")
        history.finished("a", "1")
        let bench = try MachineBench(history)
        _ = bench.run("a")
        _ = bench.settle()
        bench.machine.functionEnded(.returned(Payload(json: "9")), at: bench.time)
        #expect(bench.decisions() == ["report unused 1", "5 runSucceeded", "ended succeeded 9"])
    }

    @Test func aRunIsNoLongerReplayingOnceItAsksForSomethingNew() throws {
        var history = HistoryBuilder()
        history.finished("gone", "0")
        history.finished("a", "1")
        let bench = try MachineBench(history)
        #expect(bench.isReplaying)
        _ = bench.run("a")
        _ = bench.settle()
        #expect(bench.isReplaying)
        _ = bench.run("new")
        _ = bench.settle()
        #expect(!bench.isReplaying)
    }

    @Test func aRunIsReplayingUntilTheLastRecordedOutcomeIsHandedOver() throws {
        var history = HistoryBuilder()
        let a = history.started("a", after: 0)
        let b = history.started("b", after: 0)
        history.succeeded(a, "1")
        history.succeeded(b, "2")
        let bench = try MachineBench(history)
        _ = bench.run("a")
        _ = bench.run("b")
        #expect(bench.handOver() == ["deliver a 1"])
        #expect(bench.isReplaying)
        #expect(bench.handOver() == ["deliver b 2"])
        #expect(!bench.isReplaying)
    }

    @Test func aNewRunIsNotReplaying() throws {
        let bench = try MachineBench()
        #expect(!bench.isReplaying)
        _ = bench.run("a")
        _ = bench.settle()
        #expect(!bench.isReplaying)
    }

    // MARK: Damaged histories

    @Test func anIllegalHistoryIsRefused() throws {
        var history = HistoryBuilder()
        history.woke(StepNumber(1))
        #expect(throws: IllegalTransition.self) { _ = try MachineBench(history) }
        #expect(throws: IllegalTransition.self) { _ = try MachineBench(HistoryBuilder([])) }
        var doubled = HistoryBuilder()
        let step = doubled.started("a")
        doubled.succeeded(step, "1")
        doubled.succeeded(step, "1")
        #expect(throws: IllegalTransition.self) { _ = try MachineBench(doubled) }
    }
}
