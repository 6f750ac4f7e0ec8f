import StepCore
import StepEvents
import StepReplay
import Testing

/// Steps with a body: history in, decisions out.
@Suite struct AttemptTests {
    @Test func aNewStepIsRecordedAndItsBodyBeginsWhenThatIsDurable() throws {
        let bench = try MachineBench()
        let call = bench.run("a")
        #expect(bench.handOver() == ["1 stepStarted#1 after 0"])
        bench.machine.committed(through: 0, at: bench.time)
        #expect(bench.decisions() == [])
        bench.machine.committed(through: 1, at: bench.time)
        #expect(bench.decisions() == ["execute a#1"])
        bench.succeed(call, "42")
        #expect(bench.decisions() == ["2 stepSucceeded"])
        #expect(bench.handOver() == ["deliver a 42"])
    }

    @Test func aFinishedStepIsHandedOverAndNothingIsDone() throws {
        var history = HistoryBuilder()
        history.finished("a", "42")
        let bench = try MachineBench(history)
        _ = bench.run("a")
        #expect(bench.settle() == ["deliver a 42"])
    }

    @Test func theSameIDAgainIsAnotherStep() throws {
        var history = HistoryBuilder()
        history.finished("a", "1")
        history.finished("a", "2", occurrence: 1)
        let bench = try MachineBench(history)
        _ = bench.run("a")
        #expect(bench.settle() == ["deliver a 1"])
        _ = bench.run("a")
        #expect(bench.settle() == ["deliver a 2"])
        _ = bench.run("a")
        #expect(bench.settle() == ["5 stepStarted#1 after 4", "execute a:2#1"])
    }

    @Test func theSameIDInAnotherScopeIsAnotherStep() throws {
        var history = HistoryBuilder()
        history.finished("a", "1", in: "left")
        let bench = try MachineBench(history)
        _ = bench.run("a", in: "right")
        _ = bench.run("a", in: "left")
        #expect(bench.settle() == ["deliver a 1", "3 stepStarted#1 after 0", "execute right/a#1"])
    }

    @Test func aFailedStepIsHandedOverAsItsError() throws {
        var history = HistoryBuilder()
        history.failed(history.started("a"), message: "card refused")
        let bench = try MachineBench(history)
        _ = bench.run("a")
        #expect(bench.settle() == ["fail a StepError(card refused) after 1"])
    }

    // MARK: Retries

    @Test func aFailureIsRetriedWhenItsTimeHasComeAndTheTimeIsRecorded() throws {
        let bench = try MachineBench()
        let call = bench.run("a")
        _ = bench.settle()
        bench.fail(call)
        #expect(bench.decisions() == ["2 stepFailed retry", "timer 1 due in 1.0s"])
        #expect(bench.settle() == [])
        bench.fire(1, after: 1)
        #expect(bench.settle() == ["3 stepStarted#2", "execute a#2"])
        bench.succeed(call, attempt: 2, "1")
        #expect(bench.settle() == ["4 stepSucceeded", "deliver a 1"])
    }

    @Test func aRetryThatIsNotYetDueWaitsForItsRecordedTime() throws {
        var history = HistoryBuilder()
        history.failed(history.started("a"), retryIn: 60)
        let bench = try MachineBench(history, secondsLater: 20)
        _ = bench.run("a")
        #expect(bench.settle() == ["timer 1 due in 40.0s"])
        bench.fire(1, after: 40)
        #expect(bench.settle() == ["3 stepStarted#2", "execute a#2"])
    }

    @Test func aRetryThatFellDueMeanwhileBeginsAtOnce() throws {
        var history = HistoryBuilder()
        history.failed(history.started("a"), retryIn: 60)
        let bench = try MachineBench(history, secondsLater: 61)
        _ = bench.run("a")
        #expect(bench.settle() == ["3 stepStarted#2", "execute a#2"])
    }

    @Test func theNextAttemptKnowsTheLastError() throws {
        var history = HistoryBuilder()
        history.failed(history.started("a"), retryIn: 1, message: "first")
        let bench = try MachineBench(history, secondsLater: 5)
        _ = bench.run("a")
        _ = bench.machine.handOver(at: bench.time)
        bench.machine.committed(through: 3, at: bench.time)
        var seen: String?
        for case .answer(_, .execute(let facts)) in bench.machine.takeActions() { seen = facts.lastFailure?.message }
        #expect(seen == "first")
    }

    @Test func attemptsAreExhausted() throws {
        var history = HistoryBuilder()
        let step = history.started("a")
        history.failed(step, retryIn: 0)
        history.startedAgain(step, attempt: 2)
        history.failed(step, retryIn: 0)
        let bench = try MachineBench(history, secondsLater: 1)
        let call = bench.run("a", retry: RetryPolicy(maxAttempts: 3, jitter: 0))
        #expect(bench.settle() == ["5 stepStarted#3", "execute a#3"])
        bench.fail(call, attempt: 3, message: "third")
        #expect(
            bench.settle() == ["6 stepFailed final", "fail a StepError(third) after 3"])
    }

    @Test func anErrorThatCannotBeMendedIsFinal() throws {
        let bench = try MachineBench()
        let call = bench.run("a")
        _ = bench.settle()
        bench.fail(call, .never)
        #expect(bench.settle() == ["2 stepFailed final", "fail a StepError(no) after 1"])
    }

    @Test func retryAfterReplacesTheDelayAndNotTheNumberOfAttempts() throws {
        let bench = try MachineBench()
        let call = bench.run("a", retry: RetryPolicy(maxAttempts: 2, jitter: 0))
        _ = bench.settle()
        bench.fail(call, .after(.seconds(90)))
        #expect(bench.decisions() == ["2 stepFailed retry", "timer 1 due in 90.0s"])
        bench.fire(1, after: 90)
        _ = bench.settle()
        bench.fail(call, attempt: 2, .after(.seconds(90)))
        #expect(bench.settle() == ["4 stepFailed final", "fail a StepError(no) after 2"])
    }

    @Test func jitterComesFromTheSeedOfTheRun() throws {
        func delay(seed: UInt64, step: String) throws -> Int64 {
            let bench = try MachineBench(HistoryBuilder(seed: seed))
            let call = bench.run(step, retry: RetryPolicy(initial: .seconds(100), jitter: 0.1))
            _ = bench.settle()
            bench.fail(call)
            for case .setTimer(let timer) in bench.machine.takeActions() {
                return bench.time.duration(to: timer.due).clampedNanoseconds
            }
            Issue.record("no retry")
            return 0
        }
        let first = try delay(seed: 1, step: "a")
        #expect(first >= 90_000_000_000 && first <= 110_000_000_000)
        #expect(try first == delay(seed: 1, step: "a"))
        #expect(try first != delay(seed: 2, step: "a"))
        #expect(try first != delay(seed: 1, step: "b"))
    }

    // MARK: Timeouts

    private func timedOut() throws -> (MachineBench, StepCall) {
        let bench = try MachineBench()
        let call = bench.run("a", timeout: .seconds(5))
        #expect(bench.settle() == ["1 stepStarted#1 after 0", "timer 1 timeout#1 in 5.0s", "execute a#1"])
        bench.fire(1, .attemptTimeout(1), after: 5)
        #expect(bench.decisions() == ["cancel a#1", "2 stepFailed retry", "timer 1 due in 1.0s"])
        return (bench, call)
    }

    @Test func theNextAttemptBeginsWhenTheBodyOfATimedOutOneHasEnded() throws {
        let (bench, call) = try timedOut()
        bench.fire(1, after: 1)
        #expect(bench.settle() == ["timer 1 abandon#1 in 30.0s"])
        bench.time = bench.time.advanced(by: .seconds(10))
        bench.succeed(call, "1")
        #expect(
            bench.settle()
                == ["report late a#1", "3 stepStarted#2", "timer 1 timeout#2 in 5.0s", "execute a#2"])
    }

    @Test func theBodyOfATimedOutAttemptMayEndBeforeTheNextIsDue() throws {
        let (bench, call) = try timedOut()
        bench.fail(call)
        #expect(bench.settle() == ["report late a#1"])
        bench.fire(1, after: 1)
        #expect(bench.settle() == ["3 stepStarted#2", "timer 1 timeout#2 in 5.0s", "execute a#2"])
    }

    @Test func aBodyThatIgnoresItsCancellationIsAbandoned() throws {
        let (bench, call) = try timedOut()
        bench.fire(1, after: 1)
        _ = bench.settle()
        bench.fire(1, .abandon(1), after: 30)
        #expect(
            bench.settle()
                == ["report abandoned a#1", "3 stepStarted#2", "timer 1 timeout#2 in 5.0s", "execute a#2"])
        bench.succeed(call, attempt: 1, "1")
        #expect(bench.settle() == ["report late a#1"])
        bench.succeed(call, attempt: 2, "2")
        #expect(bench.settle() == ["4 stepSucceeded", "deliver a 2"])
    }

    @Test func aTimeoutOfTheLastAttemptIsFinalAndItsLateResultIsDiscarded() throws {
        let bench = try MachineBench()
        let call = bench.run("a", retry: RetryPolicy(maxAttempts: 1), timeout: .seconds(5))
        _ = bench.settle()
        bench.fire(1, .attemptTimeout(1), after: 5)
        #expect(
            bench.settle() == [
                "cancel a#1", "2 stepFailed final", "fail a StepError(the attempt did not end within 5.0 s) after 1",
            ])
        bench.succeed(call, "1")
        #expect(bench.settle() == ["report late a#1"])
    }

    @Test func thePolicyIsAskedWhetherATimeoutIsWorthAnotherAttempt() throws {
        let bench = try MachineBench()
        var policy = RetryPolicy(jitter: 0)
        policy.shouldRetry = { !($0 is StepTimeoutError) }
        _ = bench.run("a", retry: policy, timeout: .seconds(5))
        _ = bench.settle()
        bench.fire(1, .attemptTimeout(1), after: 5)
        #expect(
            bench.settle() == [
                "cancel a#1", "2 stepFailed final", "fail a StepError(the attempt did not end within 5.0 s) after 1",
            ])
    }

    @Test func theTimeoutOfAnAttemptThatHasEndedChangesNothing() throws {
        let bench = try MachineBench()
        let call = bench.run("a", timeout: .seconds(5))
        _ = bench.settle()
        bench.fail(call)
        _ = bench.settle()
        bench.fire(1, .attemptTimeout(1), after: 5)
        #expect(bench.settle() == [])
    }

    @Test func timersThatAreNoLongerNeededAreCleared() throws {
        let bench = try MachineBench()
        let call = bench.run("a", timeout: .seconds(5))
        let wait = bench.wait("w", "paid", timeout: .seconds(5))
        _ = bench.run("untimed")
        _ = bench.settle()
        bench.succeed(call, "1")
        #expect(bench.clearedTimers() == [1])
        bench.machine.cancelCall(wait, at: bench.time)
        #expect(bench.clearedTimers() == [2])
        bench.machine.functionEnded(.returned(.null), at: bench.time)
        #expect(bench.clearedTimers() == [])
    }
}
