import Logging
import StepCore
import StepEvents
import StepLocks
import StepLog
import StepReplay
import Synchronization

extension Engine {
    /// A run's function came to an end, and that is durable.
    ///
    /// `due` says when the first of its timers was due, where the wall clock can't.
    func ended(
        _ resident: Resident, _ end: MachineEnd, _ last: RunState, due: TimerQueue.Earliest,
        _ outcome: Result<Void, StoreError>
    ) {
        if case .failure = outcome { return release(resident, last, wakeAt: nil) }
        switch end {
        case .succeeded(let output):
            results.resolve(resident.id, .success(EncodedValue(output)))
            notifyParent(of: last, .succeeded(output))
            release(resident, last, wakeAt: nil)
        case .failed(let failure):
            results.resolve(resident.id, .failure(RunFailedError(runID: resident.id, failure: failure)))
            notifyParent(of: last, .failed(failure))
            release(resident, last, wakeAt: nil)
        case .cancelled:
            results.resolve(resident.id, .failure(Self.cancelledError(last)))
            notifyParent(of: last, .cancelled)
            release(resident, last, wakeAt: nil)
        case .retry(let time): release(resident, last, wakeAt: time)
        case .held(let failure):
            logger.error(
                "a run is held", metadata: ["run": "\(resident.id)", "error": "\(failure.message)"])
            state.withLock { _ = $0.held.insert(resident.number) }
        case .unwound:
            release(resident, last, wakeAt: Self.nextDue(last), due)
            hasParked()
        }
    }

    static func cancelledError(_ state: RunState) -> RunCancelledError {
        RunCancelledError(
            runID: state.start.id, by: state.cancel?.by ?? "", reason: state.cancel?.reason ?? "")
    }

    /// The run leaves memory. What came for it meanwhile, or what is due, brings it back.
    private func release(
        _ resident: Resident, _ last: RunState, wakeAt: Timestamp?, _ due: TimerQueue.Earliest = .init()
    ) {
        let run = resident.number
        timers.clear(run)
        let stashed = state.withLock { state -> [InstanceInput]? in
            guard state.residents[run] === resident else {
                // It was let go; what it had handed to the log has been dealt with now.
                if state.letGo.remove(run) != nil, state.stash[run] != nil, state.phase.isRunning {
                    state.enqueue(run, woken: true)
                }
                return nil
            }
            state.residents[run] = nil
            state.waiting.remove(run)
            let mustWake = state.stash[run] != nil && !last.status.isFinal && state.phase.isRunning
            if mustWake { state.enqueue(run, woken: true) }
            return last.status.isFinal ? state.stash.removeValue(forKey: run) ?? [] : []
        }
        resident.detach()
        guard let stashed else { return pump() }
        withdrawTurns(of: run)
        for input in stashed { reportLate(input, for: run) }
        for case .offer(let offer) in stashed { answerOffer(offer.id, .success(.notWaiting)) }
        for case .cancelRun(_, _, let token) in stashed { answerCancel(token, .success(false)) }
        if let wakeAt, !last.status.isFinal { setWake(run, at: wakeAt, due) }
        endIfQuiet()
        pump()
    }

    /// When something is due for a run that is not resident.
    private static func nextDue(_ state: RunState) -> Timestamp? {
        var due = state.retryAt
        for open in state.open.values {
            let next: Timestamp? =
                switch open.activity {
                case .attempt(_, .failed(let retryAt)): retryAt
                case .attempt, .send: nil
                case .sleep(let until): until
                case .wait(_, _, let timeoutAt): timeoutAt
                case .child(_, _, let timeoutAt): timeoutAt
                }
            if let next { due = min(due ?? next, next) }
        }
        return due
    }

    // MARK: Parents and children

    func notifyParent(of child: RunState, _ outcome: InvokeFinished.Outcome) {
        guard let parent = child.start.parent else { return }
        wake(parent.run, with: .childEnded(parent.step, outcome))
    }

    /// A parent that was replayed wants to know of a child: it may have ended while the parent was away.
    func awaitChild(_ step: StepNumber, _ child: RunNumber, of parent: Resident) {
        let isResident = state.withLock { $0.residents[child] != nil }
        guard !isResident else { return }
        pool.submit(
            .job { [self] in
                guard let history = try? store.history(of: child).map(\.event),
                    let outcome = Self.outcome(of: history)
                else { return }
                wake(parent.number, with: .childEnded(step, outcome))
            })
    }

    static func outcome(of history: [Event]) -> InvokeFinished.Outcome? {
        switch history.last?.body {
        case .runSucceeded(let body): .succeeded(body.output)
        case .runFailed(let body): .failed(body.failure)
        case .runCancelled: .cancelled
        default: nil
        }
    }

    func cancelChild(_ child: RunNumber, of parent: RunID, reason: String) {
        wake(child, with: .cancelRun(by: "run \(parent)", reason: reason, token: 0))
    }

    // MARK: Reports

    func report(_ report: MachineReport, of resident: Resident) {
        let metadata: Logger.Metadata = ["run": "\(resident.id)", "workflow": "\(resident.workflow)"]
        switch report {
        case .order(let step, let recorded, let found, let site):
            logger.warning(
                "a step was asked for in another order than recorded",
                metadata: metadata.merging(
                    [
                        "step": "\(step)", "recorded after": "\(recorded)", "found after": "\(found)",
                        "site": "\(site)",
                    ], uniquingKeysWith: { $1 }))
        case .lateResult(let step, let attempt):
            logger.notice(
                "a late result was discarded",
                metadata: metadata.merging(["step": "\(step)", "attempt": "\(attempt)"], uniquingKeysWith: { $1 }))
        case .abandoned(let step, let attempt):
            logger.warning(
                "a timed-out body still runs; the next attempt begins",
                metadata: metadata.merging(["step": "\(step)", "attempt": "\(attempt)"], uniquingKeysWith: { $1 }))
        case .unused(let count):
            logger.warning(
                "the run ended without asking for steps that it had recorded",
                metadata: metadata.merging(["steps": "\(count)"], uniquingKeysWith: { $1 }))
        case .unwinding(let report):
            // The instance has logged it.
            state.withLock { state in
                switch report {
                case .swallowed: state.counts.swallowedUnwindings += 1
                case .suspended, .leftBehind: state.counts.suspendedCalls += 1
                }
            }
        case .broken(let error):
            logger.critical(
                "an impossible event was refused; the run stops here and keeps all it has",
                metadata: metadata.merging(["error": "\(error)"], uniquingKeysWith: { $1 }))
        }
    }
}
