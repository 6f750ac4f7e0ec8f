import StepCore
import StepEvents
import StepReplay
import Testing

/// Sleeps, signals and children: history in, decisions out.
@Suite struct WaitTests {
    // MARK: Sleeps

    @Test func aSleepFixesItsTimeWhenItIsFirstAskedFor() throws {
        let bench = try MachineBench()
        _ = bench.sleep("nap", seconds: 10)
        #expect(bench.settle() == ["1 slept after 0", "timer 1 due in 10.0s"])
        bench.fire(1, after: 10)
        #expect(bench.settle() == ["2 woke", "deliver nap null"])
    }

    @Test(arguments: [0.0, -5.0])
    func aSleepOfNothingResumesAtOnce(seconds: Double) throws {
        let bench = try MachineBench()
        _ = bench.sleep("nap", seconds: seconds)
        #expect(bench.settle() == ["1 slept after 0", "2 woke", "deliver nap null"])
    }

    @Test func aSleepUntilATimeThatHasPassedResumesAtOnceAndTimeDoesNotRunBackwards() throws {
        let bench = try MachineBench()
        let began = bench.time
        _ = bench.ask("nap", .sleep(.until(HistoryBuilder.second(-100))))
        #expect(bench.settle() == ["1 slept after 0", "2 woke", "deliver nap null"])
        #expect(bench.now == began)
    }

    @Test func aSleepThatGoesOnWaitsForItsRecordedTime() throws {
        var history = HistoryBuilder()
        _ = history.slept("nap", untilSecond: 100)
        let bench = try MachineBench(history, secondsLater: 9)
        _ = bench.sleep("nap", seconds: 7_777)
        #expect(bench.settle() == ["timer 1 due in 90.0s"])
    }

    @Test func aSleepThatFellDueMeanwhileWakesAtOnce() throws {
        var history = HistoryBuilder()
        _ = history.slept("nap", untilSecond: 100)
        let bench = try MachineBench(history, secondsLater: 99)
        _ = bench.sleep("nap", seconds: 10)
        #expect(bench.settle() == ["2 woke", "deliver nap null"])
    }

    @Test func aRecordNeverSaysThatASleepEndedEarly() throws {
        let bench = try MachineBench()
        _ = bench.sleep("nap", seconds: 10)
        _ = bench.settle()
        // The clock that no one can set is ahead of the wall clock.
        bench.fire(1, after: 9.5)
        _ = bench.settle()
        #expect(bench.state.lastTime == HistoryBuilder.second(10))
        #expect(bench.now == HistoryBuilder.second(10))
    }

    // MARK: Signals

    @Test func aSignalResolvesTheWait() throws {
        let bench = try MachineBench()
        _ = bench.wait("w", "paid", timeout: .seconds(60))
        #expect(bench.settle() == ["1 waitStarted after 0", "timer 1 due in 60.0s", "await signal paid for 1"])
        bench.offer(1, "42")
        #expect(
            bench.settle() == ["stop awaiting paid for 1", "2 waitResolved", "offer 1 accepted", "deliver w 42"])
    }

    @Test func aTimeoutThatComesSecondIsIgnored() throws {
        let bench = try MachineBench()
        _ = bench.wait("w", "paid", timeout: .seconds(60))
        _ = bench.settle()
        bench.offer(1, "42")
        bench.fire(1, after: 60)
        #expect(
            bench.settle() == ["stop awaiting paid for 1", "2 waitResolved", "offer 1 accepted", "deliver w 42"])
        bench.fire(1, after: 60)
        #expect(bench.settle() == [])
    }

    @Test func aSignalThatComesSecondGoesToTheNextWaiter() throws {
        let bench = try MachineBench()
        _ = bench.wait("w", "paid", timeout: .seconds(60))
        _ = bench.settle()
        bench.fire(1, after: 60)
        bench.offer(1, "42")
        #expect(
            bench.settle() == [
                "stop awaiting paid for 1", "2 waitTimedOut", "offer 1 not waiting", "deliver w nil",
            ])
    }

    @Test func aPayloadOfTheWrongShapeIsRejectedAndTheWaitGoesOn() throws {
        let bench = try MachineBench()
        _ = bench.wait("w", "paid")
        _ = bench.settle()
        bench.offer(1, #""forty-two""#)
        #expect(bench.settle() == ["2 signalRejected", "offer 1 rejected"])
        bench.offer(1, "42")
        #expect(
            bench.settle() == ["stop awaiting paid for 1", "3 waitResolved", "offer 2 accepted", "deliver w 42"])
    }

    @Test func aWaitThatGoesOnIsRegisteredAgain() throws {
        var history = HistoryBuilder()
        _ = history.waits("w", "paid", timeoutSecond: 61)
        let bench = try MachineBench(history)
        _ = bench.wait("w", "paid", timeout: .seconds(1))
        #expect(bench.settle() == ["timer 1 due in 60.0s", "await signal paid for 1"])
    }

    @Test func aTimeoutThatCameMeanwhileIsRecorded() throws {
        var history = HistoryBuilder()
        _ = history.waits("w", "paid", timeoutSecond: 61)
        let bench = try MachineBench(history, secondsLater: 600)
        _ = bench.wait("w", "paid", timeout: .seconds(60))
        #expect(
            bench.settle() == ["stop awaiting paid for 1", "2 waitTimedOut", "deliver w nil"])
    }

    @Test func aSignalIsKeptUntilTheReplayedCodeHasComeToTheWait() throws {
        var history = HistoryBuilder()
        history.finished("a", "1")
        _ = history.waits("w", "paid")
        let bench = try MachineBench(history)
        bench.offer(3, #""forty-two""#)
        bench.offer(3, "42")
        bench.offer(3, "43")
        #expect(bench.decisions() == [])
        _ = bench.run("a")
        #expect(bench.settle() == ["deliver a 1"])
        _ = bench.wait("w", "paid")
        #expect(
            bench.settle() == [
                "await signal paid for 3", "4 signalRejected", "offer 1 rejected", "stop awaiting paid for 3",
                "5 waitResolved", "offer 2 accepted", "offer 3 not waiting", "deliver w 42",
            ])
    }

    @Test func aSignalThatCameBeforeTheTimeoutWinsAlthoughTheRunWasAway() throws {
        var history = HistoryBuilder()
        _ = history.waits("w", "paid", timeoutSecond: 61)
        let bench = try MachineBench(history, secondsLater: 600)
        bench.offer(1, "42")
        _ = bench.wait("w", "paid", timeout: .seconds(60))
        #expect(
            bench.settle() == [
                "timer 1 due in -540.0s", "await signal paid for 1", "stop awaiting paid for 1", "2 waitResolved",
                "offer 1 accepted", "deliver w 42",
            ])
    }

    @Test func signalsAreTakenInTheOrderInWhichTheyCame() throws {
        var history = HistoryBuilder()
        _ = history.waits("w", "paid")
        let bench = try MachineBench(history)
        bench.offer(1, "1")
        _ = bench.wait("w", "paid")
        bench.offer(1, "2")
        #expect(
            bench.settle() == [
                "await signal paid for 1", "stop awaiting paid for 1", "2 waitResolved", "offer 1 accepted",
                "offer 2 not waiting", "deliver w 1",
            ])
    }

    @Test func signalsForAWaitThatIsCancelledBeforeItIsTakenUpGoToTheNextWaiter() throws {
        var history = HistoryBuilder()
        _ = history.waits("w", "paid")
        let bench = try MachineBench(history)
        bench.offer(1, "1")
        let call = bench.wait("w", "paid")
        bench.machine.cancelCall(call, at: bench.time)
        #expect(
            bench.settle() == [
                "stop awaiting paid for 1", "2 waitCancelled", "offer 1 not waiting",
                "fail w CancellationError",
            ])
    }

    @Test func aCancelledWaitIsNoLongerRegistered() throws {
        let bench = try MachineBench()
        let call = bench.wait("w", "paid", timeout: .seconds(60))
        _ = bench.settle()
        bench.machine.cancelCall(call, at: bench.time)
        #expect(
            bench.settle() == ["stop awaiting paid for 1", "2 waitCancelled", "fail w CancellationError"])
        bench.offer(1, "42")
        #expect(bench.settle() == ["offer 1 not waiting"])
    }

    @Test func aSignalForAStepThatWaitsForNoneIsPassedOn() throws {
        let bench = try MachineBench()
        _ = bench.sleep("nap", seconds: 1)
        _ = bench.settle()
        bench.offer(1, "42")
        bench.offer(17, "42")
        #expect(bench.settle() == ["offer 1 not waiting", "offer 2 not waiting"])
    }

    // MARK: Sending

    @Test func aSignalIsSentOnceItsEventIsAccepted() throws {
        let bench = try MachineBench()
        _ = bench.send("s", "go", "1")
        #expect(bench.settle() == ["1 signalSent after 0", "send go 1 for 1"])
        bench.machine.signalDelivered(StepNumber(1), to: RunNumber(5), at: bench.time)
        #expect(bench.settle() == ["2 signalDelivered", "deliver s null"])
        bench.machine.signalDelivered(StepNumber(1), to: RunNumber(5), at: bench.time)
        #expect(bench.settle() == [])
    }

    @Test func aSignalWhoseDeliveryIsNotRecordedIsSentAgainAsItWasRecorded() throws {
        var history = HistoryBuilder()
        _ = history.sends("s", "go", "1")
        let bench = try MachineBench(history)
        _ = bench.send("s", "other", "2")
        #expect(bench.settle() == ["send go 1 for 1"])
    }

    @Test func aSignalThatIsOnItsWayCannotBeCancelled() throws {
        var history = HistoryBuilder()
        _ = history.sends("s", "go", "1")
        let bench = try MachineBench(history)
        let call = bench.send("s", "go", "1")
        bench.machine.cancelCall(call, at: bench.time)
        #expect(bench.settle() == ["send go 1 for 1"])
        bench.machine.cancelCall(call, at: bench.time)
        #expect(bench.settle() == [])
        bench.machine.signalDelivered(StepNumber(1), to: .store, at: bench.time)
        #expect(bench.settle() == ["2 signalDelivered", "deliver s null"])
    }

    // MARK: Children

    @Test func aChildIsStartedInTheSameTurn() throws {
        let bench = try MachineBench()
        _ = bench.invoke("c")
        #expect(bench.settle() == ["1 invokeStarted after 0", "start child #99 child"])
        bench.machine.childEnded(StepNumber(1), .succeeded(Payload(json: "42")), at: bench.time)
        #expect(bench.settle() == ["2 invokeFinished", "deliver c 42"])
    }

    @Test func aChildThatWasStartedIsAwaitedAgain() throws {
        var history = HistoryBuilder()
        _ = history.invokes("c", child: 8, timeoutSecond: 61)
        let bench = try MachineBench(history)
        _ = bench.invoke("c")
        #expect(bench.settle() == ["await child #8 for 1", "timer 1 due in 60.0s"])
    }

    @Test(arguments: [
        (InvokeFinished.Outcome.failed(Failure(type: "T", message: "broken")), "fail c StepError(broken) after 1"),
        (.cancelled, "fail c StepError(the child was cancelled) after 1"),
        (.timedOut, "fail c InvokeTimeoutError"),
    ])
    func whatBecameOfTheChildIsHandedOver(outcome: InvokeFinished.Outcome, line: String) throws {
        var history = HistoryBuilder()
        let step = history.invokes("c", child: 8)
        history.add(.invokeFinished(InvokeFinished(step: step, outcome: outcome)))
        let bench = try MachineBench(history)
        _ = bench.invoke("c")
        #expect(bench.settle() == [line])
    }

    @Test(arguments: [true, false])
    func aChildThatIsTooLateGoesOnUnlessTheCodeSaysOtherwise(cancels: Bool) throws {
        let bench = try MachineBench()
        _ = bench.invoke("c", timeout: .seconds(60), cancels: cancels)
        _ = bench.settle()
        bench.fire(1, after: 60)
        #expect(
            bench.settle() == (cancels ? ["cancel child #99"] : []) + [
                "2 invokeFinished", "fail c InvokeTimeoutError",
            ])
        bench.machine.childEnded(StepNumber(1), .succeeded(.null), at: bench.time)
        #expect(bench.settle() == [])
    }

    @Test(arguments: [true, false])
    func cancellingTheStepCancelsTheChildUnlessItIsDetached(detached: Bool) throws {
        let bench = try MachineBench()
        let call = bench.invoke("c", detached: detached)
        _ = bench.settle()
        bench.machine.cancelCall(call, at: bench.time)
        #expect(
            bench.settle() == (detached ? [] : ["cancel child #99"]) + [
                "2 waitCancelled", "fail c CancellationError",
            ])
    }

    @Test func aChildsIDDependsOnTheRunAndTheStepAlone() throws {
        func child(_ seed: UInt64, _ id: String) throws -> RunID? {
            let bench = try MachineBench(HistoryBuilder(seed: seed))
            _ = bench.invoke(id)
            _ = bench.machine.handOver(at: bench.time)
            for case .startChild(_, let started) in bench.machine.takeActions() { return started.id }
            return nil
        }
        let first = try child(1, "c")
        #expect(try first != nil && first == child(1, "c"))
        #expect(try first != child(2, "c"))
        #expect(try first != child(1, "d"))
    }

    @Test func aChildInvokedAnewByTheNextAttemptOfTheFunctionIsAnotherRun() throws {
        func child(after history: HistoryBuilder) throws -> RunStarted {
            let bench = try MachineBench(history)
            _ = bench.invoke("c")
            _ = bench.machine.handOver(at: HistoryBuilder.beginning)
            let started = bench.machine.takeActions().compactMap { action -> RunStarted? in
                if case .startChild(_, let started) = action { started } else { nil }
            }
            return try #require(started.first)
        }
        var history = HistoryBuilder(seed: 1)
        let first = try child(after: history)
        history.add(.waitCancelled(WaitCancelled(step: history.invokes("c", child: 99))))
        history.attemptFailed(retryIn: 0)
        let second = try child(after: history)
        #expect(first.seed != second.seed)
        #expect(first.id.low != second.id.low, "even within one millisecond")
    }
}
