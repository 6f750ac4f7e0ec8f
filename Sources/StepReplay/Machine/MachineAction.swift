package import StepCore
package import StepEvents

/// What a ``RunMachine`` decided; its host carries it out, in order.
package enum MachineAction: Sendable {
    /// An event was accepted. It belongs to the log before anything that rests on it may leave the engine.
    /// Where the run's row follows from it, the state after it is given too; the machine may have moved on since.
    indirect case append(Event, Transition, row: StateAfter?)
    /// Answer a step call.
    case answer(StepCall, StepDirective)
    /// Begin the workflow function's cancellation.
    case cancelFunction
    /// Cancel the task of an attempt.
    case cancelAttempt(StepCall, attempt: UInt32)
    case setTimer(MachineTimer)
    case clearTimers(StepNumber)
    /// A wait is open: try a kept signal, or register it.
    case awaitSignal(StepNumber, signal: String, since: Timestamp)
    case stopAwaitingSignal(StepNumber, signal: String, since: Timestamp)
    /// An offered signal was taken, rejected, or found nobody; answer its sender once the events so far are durable.
    indirect case answerOffer(SignalOffer, SignalVerdict)
    /// Whether a request to cancel the run was news; answer it once the events so far are durable.
    case answerCancel(UInt64, isNews: Bool)
    /// The function is leaving memory but the run goes on: keep this for its next instance.
    indirect case bounce(InstanceInput)
    /// The run is busy again, or must stay: it was not parked.
    case parkRefused
    /// Deliver a signal that this run sends, once its event is durable.
    indirect case deliverSignal(StepNumber, SignalSent, idempotencyKey: String)
    /// A child is to be started in the same commit.
    indirect case startChild(RunNumber, RunStarted)
    /// The child's outcome is wanted: a run that is replayed asks again.
    case awaitChild(StepNumber, RunNumber)
    case cancelChild(RunNumber, reason: String)
    /// The step was interrupted by crashes at least twice: start it when the engine gives it a turn.
    case awaitTurn(StepNumber)
    case endTurn(StepNumber)
    /// Something to be logged.
    indirect case report(MachineReport)
    /// The function will not continue in this instance.
    indirect case ended(MachineEnd)
}

/// A run's state after an event. On the heap, since it is large and few events have one.
package final class StateAfter: Sendable {
    package let state: RunState

    init(_ state: RunState) { self.state = state }
}

/// When the host should call ``RunMachine/timerFired(_:at:)``.
package struct MachineTimer: Hashable, Sendable {
    package enum Purpose: Hashable, Sendable {
        /// A sleep, the time before an attempt, or a wait's timeout: recorded, so they survive restarts.
        case due
        /// An attempt's own timeout.
        case attemptTimeout(UInt32)
        /// The body of a timed-out attempt has not ended.
        case abandon(UInt32)
        /// The code has not come to a wait that a signal came for.
        case claim
    }

    package var step: StepNumber
    package var purpose: Purpose
    package var due: Timestamp
    /// How long from now on a clock that no one can set; `nil` leaves it to the wall clock.
    package var wait: Duration?

    package init(step: StepNumber, purpose: Purpose, due: Timestamp, wait: Duration?) {
        self.step = step
        self.purpose = purpose
        self.due = due
        self.wait = wait
    }
}

/// A signal on its way to a waiting run.
package struct SignalOffer: Sendable {
    /// The host's name for the offer.
    package var id: UInt64
    package var step: StepNumber
    package var payload: Payload
    package var mark: SignalMark?
    /// Whether it is to be queued for a run that can't go on now, rather than answered.
    package var isQueued: Bool

    package init(
        id: UInt64, step: StepNumber, payload: Payload, mark: SignalMark?, isQueued: Bool = false
    ) {
        self.id = id
        self.step = step
        self.payload = payload
        self.mark = mark
        self.isQueued = isQueued
    }
}

package enum SignalVerdict: Sendable, Hashable {
    case accepted
    case rejected(Failure)
    /// The wait is over: offer the signal to the next waiter.
    case notWaiting
    /// The run can't go on now: it is held, its code is not here, or it can't be read. No machine says so.
    case cannotWake
}

package enum MachineReport: Sendable, Hashable {
    /// A step was asked for after another item than recorded.
    case order(StepKey, recorded: UInt32, found: UInt32, site: String)
    /// A body ended after its step had: its result is discarded.
    case lateResult(StepKey, attempt: UInt32)
    /// A timed-out body still runs; the next attempt begins without waiting for it.
    case abandoned(StepKey, attempt: UInt32)
    /// The run ended while recorded outcomes were never asked for.
    case unused(count: Int)
    /// The machine's own state forbade an event that it made: a bug. The run is stopped and keeps all it has.
    case broken(IllegalTransition)
    /// The function does not leave memory as it should.
    indirect case unwinding(UnwindingReport)
}

package enum MachineEnd: Sendable, Hashable {
    case succeeded(Payload)
    case failed(Failure)
    case cancelled
    /// The function runs again at this time.
    case retry(at: Timestamp)
    case held(Failure)
    /// The function was told to leave memory; the run is as it was, and the next instance need not wait.
    case unwound
}
