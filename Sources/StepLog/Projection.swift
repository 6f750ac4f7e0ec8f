package import StepEvents

/// What events mean to the derived tables. Pure, and the only place that knows.
///
/// A row of `runs` is rewritten only when status, rest, failure, attempt or cancellation change, and the other tables
/// only when a wait begins or ends: a step that succeeds touches `log` alone where nothing else is open.
package enum Projection {
    /// Whether anything but the run's row can follow from an event. Not from a first attempt's start, a success or a
    /// heartbeat: those are nearly all events there are, so callers ask before they make a copy of the run's state.
    package static func concerns(_ event: Event) -> Bool {
        switch event.body {
        case .stepSucceeded, .stepHeartbeat: false
        case .stepStarted(let started): started.attempt > 1
        default: true
        }
    }

    /// The changes that follow from an event of a run, given what `apply` returned for it (`nil` for the run's first
    /// event) and the state after it.
    package static func changes(
        _ transition: Transition?, after: RunState, event: Event, into changes: inout [TableChange]
    ) {
        guard let transition else { return begin(after, into: &changes) }
        switch transition.touched {
        case .nothing: break
        case .one(let step, let before): self.step(step, before, after, into: &changes)
        case .all(let steps):
            for (step, before) in steps.sorted(by: { $0.key < $1.key }) {
                self.step(step, before, after, into: &changes)
            }
        }
        if let mark = event.body.mark, case .one(_, let before?) = transition.touched,
            case .wait(let signal, _, _) = before.activity
        {
            changes.append(.putReceipt(ReceiptName(mark, of: signal), run: after.run, at: event.time))
        }
        if transition.retryBefore != after.retryAt {
            let step = StepNumber(0)
            if let due = transition.retryBefore {
                changes.append(.deleteTimer(due: due, run: after.run, step: step))
            }
            if let due = after.retryAt { changes.append(.putTimer(due: due, run: after.run, step: step)) }
        }
        if after.status.isFinal { changes.append(.deleteOpen(after.run)) }
        if transition.rowChanged { changes.append(.putRun(RunRow(after))) }
    }

    private static func begin(_ state: RunState, into changes: inout [TableChange]) {
        changes.append(.putRun(RunRow(state)))
        changes.append(.putID(state.start.id, state.run))
        if let key = state.start.key {
            changes.append(.putKey(workflow: state.start.workflow, key: key, state.run))
        }
        changes.append(.putOpen(state.run))
    }

    /// The changes that follow from an event of the store, which stands at `index` among the events of its command.
    package static func changes(storeEvent event: Event, at index: Int, into changes: inout [TableChange]) {
        switch event.body {
        case .signalKept(let body):
            if let mark = body.mark {
                changes.append(.putReceipt(ReceiptName(mark, of: body.signal), run: .store, at: event.time))
            }
            changes.append(.putKept(signal: body.signal, keptAt: event.time, until: body.until, event: index))
        case .signalTaken(let body): changes.append(.deleteKept(signal: body.signal, keptAt: body.keptAt))
        case .signalExpired(let body): changes.append(.deleteKept(signal: body.signal, keptAt: body.keptAt))
        default: break
        }
    }

    private static func step(
        _ step: StepNumber, _ before: RunState.OpenStep?, _ after: RunState, into changes: inout [TableChange]
    ) {
        let run = after.run
        let old = Marks(before)
        let new = Marks(after.open[step])
        if old.due != new.due {
            if let due = old.due { changes.append(.deleteTimer(due: due, run: run, step: step)) }
            if let due = new.due { changes.append(.putTimer(due: due, run: run, step: step)) }
        }
        if sends(before), !sends(after.open[step]) { changes.append(.deleteReceipt(.step(run, step))) }
        if old.waiting != new.waiting {
            if let waiting = old.waiting {
                changes.append(
                    .deleteWaiter(signal: waiting.signal, since: waiting.since, run: run, step: step))
            }
            if let waiting = new.waiting {
                changes.append(.putWaiter(signal: waiting.signal, since: waiting.since, run: run, step: step))
            }
        }
    }

    /// The signal of a step that sends one is not sent again once the step has ended.
    private static func sends(_ step: RunState.OpenStep?) -> Bool {
        if case .send = step?.activity { true } else { false }
    }

    /// What an open step leaves in `timers` and `signals`.
    private struct Marks {
        struct Waiting: Hashable {
            var signal: String
            var since: Timestamp
        }

        var due: Timestamp?
        var waiting: Waiting?

        init(_ step: RunState.OpenStep?) {
            switch step?.activity {
            case nil, .attempt(_, .running), .attempt(_, .interrupted), .send: break
            case .attempt(_, .failed(let retryAt)): due = retryAt
            case .sleep(let until): due = until
            case .wait(let signal, let since, let timeoutAt):
                due = timeoutAt
                // One signal is enough: others go to the next waiter.
                if step?.hasQueuedSignal == false { waiting = Waiting(signal: signal, since: since) }
            case .child(_, _, let timeoutAt): due = timeoutAt
            }
        }
    }
}

extension EventBody {
    /// What the signal is recognised by that came to a wait.
    fileprivate var mark: SignalMark? {
        switch self {
        case .waitResolved(let body): body.mark
        case .signalQueued(let body): body.mark
        default: nil
        }
    }
}
