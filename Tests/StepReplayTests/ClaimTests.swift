import StepCore
import StepEvents
import StepReplay
import Testing

/// Signals for waits that the code does not come to: history in, decisions out.
@Suite struct ClaimTests {
    /// A run that waited, under code that sleeps instead.
    private func changedCode() throws -> MachineBench {
        var history = HistoryBuilder()
        _ = history.waits("w", "paid")
        let bench = try MachineBench(history)
        _ = bench.sleep("nap", seconds: 1_000)
        _ = bench.settle()
        return bench
    }

    @Test func aSignalForAWaitThatTheCodeNoLongerAsksForIsPassedOn() throws {
        let bench = try changedCode()
        bench.offer(1, "42")
        bench.offer(1, "43")
        #expect(bench.settle() == ["timer 1 claim in 10.0s"])
        bench.fire(1, .claim, after: 10)
        #expect(bench.settle() == ["offer 1 not waiting", "offer 2 not waiting"])
        bench.offer(1, "44")
        #expect(bench.settle() == ["offer 3 not waiting"], "the code has had its time")
    }

    @Test func codeThatComesToTheWaitLateGetsItsSignal() throws {
        let bench = try changedCode()
        bench.offer(1, "42")
        #expect(bench.settle() == ["timer 1 claim in 10.0s"])
        _ = bench.wait("w", "paid")
        #expect(
            bench.settle() == [
                "await signal paid for 1", "stop awaiting paid for 1", "3 waitResolved", "offer 1 accepted",
                "deliver w 42",
            ])
        bench.fire(1, .claim, after: 10)
        #expect(bench.settle() == [])
    }

    @Test func codeThatComesToTheWaitTooLateGetsTheNextSignal() throws {
        let bench = try changedCode()
        bench.offer(1, "42")
        _ = bench.settle()
        bench.fire(1, .claim, after: 10)
        #expect(bench.settle() == ["offer 1 not waiting"])
        _ = bench.wait("w", "paid")
        #expect(bench.settle() == ["await signal paid for 1"])
        bench.offer(1, "43")
        #expect(
            bench.settle() == ["stop awaiting paid for 1", "3 waitResolved", "offer 2 accepted", "deliver w 43"])
    }

    @Test func codeThatWorksOutsideOfStepsIsWaitedFor() throws {
        let bench = try changedCode()
        bench.offer(1, "42")
        _ = bench.settle()
        bench.machine.isOutside = true
        bench.fire(1, .claim, after: 10)
        #expect(bench.settle() == ["timer 1 claim in 10.0s"])
        bench.machine.isOutside = false
        bench.fire(1, .claim, after: 10)
        #expect(bench.settle() == ["offer 1 not waiting"])
    }

    @Test func codeThatIsStillReplayingIsNotLimited() throws {
        var history = HistoryBuilder()
        history.finished("a", "1")
        _ = history.waits("w", "paid")
        let bench = try MachineBench(history)
        bench.offer(3, "42")
        #expect(bench.settle() == [])
        _ = bench.run("a")
        #expect(bench.settle() == ["deliver a 1"])
        #expect(bench.settle() == [], "it asks for nothing: it is busy")
    }

    @Test func aSignalThatWasQueuedIsTakenWhenTheCodeComesToTheWaitAndBeatsTheTimeout() throws {
        var history = HistoryBuilder()
        let wait = history.waits("w", "paid", timeoutSecond: 61)
        history.add(.signalQueued(SignalQueued(step: wait, payload: Payload(json: "42"))))
        let bench = try MachineBench(history, secondsLater: 600)
        _ = bench.wait("w", "paid", timeout: .seconds(60))
        #expect(
            bench.settle() == [
                "timer 1 due in -541.0s", "await signal paid for 1", "stop awaiting paid for 1", "3 waitResolved",
                "offer 0 accepted", "deliver w 42",
            ])
    }

    @Test func aSignalThatWasQueuedAndHasTheWrongShapeLeavesTheWaitOpen() throws {
        var history = HistoryBuilder()
        let wait = history.waits("w", "paid")
        history.add(.signalQueued(SignalQueued(step: wait, payload: Payload(json: "true"))))
        let bench = try MachineBench(history)
        _ = bench.wait("w", "paid")
        #expect(bench.settle() == ["await signal paid for 1", "3 signalRejected", "offer 0 rejected"])
        bench.offer(1, "42")
        #expect(
            bench.settle() == ["stop awaiting paid for 1", "4 waitResolved", "offer 1 accepted", "deliver w 42"])
    }

    @Test func aRunIsNotParkedWhileASignalWaitsForItsCode() throws {
        let bench = try changedCode()
        #expect(bench.onlyWaits)
        bench.offer(1, "42")
        _ = bench.settle()
        #expect(!bench.onlyWaits)
        bench.fire(1, .claim, after: 10)
        #expect(bench.onlyWaits)
    }
}
