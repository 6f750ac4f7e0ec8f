import Logging
import StepCore
package import StepEvents
import StepLocks
import StepLog
import StepReplay
import Synchronization

extension Engine {
    /// Takes a run that was accepted a moment ago straight into memory, if there is room: its first step's start then
    /// rides in the same commit as its own.
    package func admitStarted(_ event: Event) {
        guard case .runStarted(let started) = event.body else { return }
        let (instance, isWanted) = state.withLock { state -> (WorkflowInstance?, Bool) in
            let admission = state.admitting.removeValue(forKey: event.run) ?? EngineState.Admission()
            let isWanted = admission.isWanted
            if state.phase.isRunning, state.residents.count + state.loading.count < client.maxResidentRuns,
                !state.wantsRoom, let definition = state.definitions[started.workflow],
                definition.accepts.contains(started.version),
                let instance = try? makeResident(
                    [event], definition, durableThrough: admission.isDurable ? 0 : nil, [:],
                    state.stash[event.run] ?? [], &state)
            {
                state.stash[event.run] = nil
                return (instance, false)
            }
            if isWanted, state.phase.isRunning { state.enqueue(event.run) }
            return (nil, isWanted)
        }
        if let instance {
            pool.submit(.drain(instance))
        } else if isWanted {
            pump()
        }
    }

    /// Keeps others from reading a run into memory that is about to be accepted and then admitted.
    package func reserveAdmission(of run: RunNumber) { state.withLock { $0.admitting[run] = EngineState.Admission() } }

    /// Makes the run resident, its function begun, and what came for it in the mailbox: the caller has it drained.
    ///
    /// All that under the lock, for others put something into the mailbox as soon as the run is resident, and nothing
    /// may come before the beginning.
    private func makeResident(
        _ history: [Event], _ definition: WorkflowDefinition, durableThrough: UInt32?,
        _ dues: [StepNumber: Timestamp], _ inputs: [InstanceInput], _ state: inout EngineState
    ) throws -> WorkflowInstance {
        let settings = MachineSettings(
            options: definition.options, site: definition.site, maxInterruptions: client.maxInterruptions,
            abandonAfter: client.abandonAfter,
            allocateRun: { [weak self] in self?.allocateRun() ?? .store })
        var machine = try RunMachine(history: history, settings: settings)
        machine.resume(at: clock.now)
        machine.steadyDues = dues
        let resident = Resident(machine.state, engine: self, durableThrough: durableThrough ?? 0)
        let instance = WorkflowInstance(
            machine: machine, definition: definition, client: client, host: resident,
            startIsDurable: durableThrough != nil)
        resident.attach(instance)
        for input in [InstanceInput.begin] + inputs { _ = instance.deposit(input) }
        state.residents[resident.number] = resident
        return instance
    }

    /// Reads queued runs into memory as long as there is room, and makes room where runs only wait.
    func pump() {
        while let run = state.withLock({ $0.next(limit: client.maxResidentRuns) }) {
            pool.submit(.job { [self] in load(run) })
        }
        parkWaiting()
    }

    /// Has `run` read into memory, for what came for it.
    ///
    /// Under the lock, because a run that leaves memory takes the same lock: what is in the mailbox by then is given
    /// back by ``bounce(_:from:)``, and nothing comes into it later.
    func wake(_ run: RunNumber, with input: InstanceInput? = nil) {
        let (isPosted, instance) = state.withLock { state -> (Bool, WorkflowInstance?) in
            if let instance = state.residents[run]?.instance {
                return (true, input.map { instance.deposit($0) } == true ? instance : nil)
            }
            guard state.phase.isRunning || state.phase.isStopping else { return (false, nil) }
            if let input { state.stash[run, default: []].append(input) }
            if state.phase.isRunning, !state.held.contains(run) || input != nil {
                state.enqueue(run, woken: true)
            }
            return (true, nil)
        }
        if let instance { pool.submit(.drain(instance)) }
        if !isPosted, let input { refuseForNow([input]) }
        pump()
    }

    /// Offers a kept signal to the run if it is in memory. Returns whether it is.
    func offer(_ kept: KeptSignal, _ offer: SignalOffer, toResident run: RunNumber) -> Bool {
        let (isResident, instance) = state.withLock { state -> (Bool, WorkflowInstance?) in
            guard let resident = state.residents[run], let instance = resident.instance else { return (false, nil) }
            resident.keep(kept, forOffer: offer.id)
            return (true, instance.deposit(.offer(offer)) ? instance : nil)
        }
        if let instance { pool.submit(.drain(instance)) }
        return isResident
    }

    /// The function is leaving memory, or has left: keep the input for its next instance.
    func bounce(_ input: InstanceInput, from resident: Resident) {
        let run = resident.number
        if case .offer(let offer) = input, resident.takeKept(forOffer: offer.id) != nil {
            // The next instance asks for kept signals itself, so it is enough that there is one.
            answerOffer(offer.id, .success(.notWaiting))
            return bringBack(run, from: resident)
        }
        let (isKept, hasLeft, next) = state.withLock { state -> (Bool, Bool, WorkflowInstance?) in
            guard state.phase.isRunning || state.phase.isStopping else { return (false, false, nil) }
            if let next = state.residents[run], next !== resident, let instance = next.instance {
                // It has left and come back: nobody would look into the stash before it leaves again.
                return (true, false, instance.deposit(input) ? instance : nil)
            }
            state.stash[run, default: []].append(input)
            guard state.residents[run] == nil, state.phase.isRunning else { return (true, false, nil) }
            state.enqueue(run, woken: true)
            return (true, true, nil)
        }
        if let next { pool.submit(.drain(next)) }
        if !isKept { refuseForNow([input]) }
        if hasLeft { pump() }
    }

    /// Sees to it that a run whose instance is leaving memory, or has left, is read into it again.
    func bringBack(_ run: RunNumber, from resident: Resident? = nil) {
        state.withLock { state in
            guard state.phase.isRunning, !state.held.contains(run) else { return }
            if let current = state.residents[run] {
                // Something in the stash, even nothing, makes it come back when it has left.
                if current === resident { state.stash[run, default: []] += [] }
            } else {
                state.enqueue(run, woken: true)
            }
        }
        pump()
    }

    private func load(_ run: RunNumber) {
        let history: [Event]
        let dues: [StepNumber: Timestamp]
        do {
            let logged = try store.history(of: run)
            history = logged.map(\.event)
            dues = steadyDues(logged)
        } catch {
            return loadFailed(run, error, [])
        }
        var inputs: [InstanceInput] = []
        var instance: WorkflowInstance?
        var wakeAt: Timestamp?
        do {
            instance = try state.withLock { state -> WorkflowInstance? in
                inputs = state.stash.removeValue(forKey: run) ?? []
                // One that is not executed stays reserved until what came for it is recorded.
                if !inputs.contains(where: \.isRecordedCold) { state.loading.remove(run) }
                guard case .runStarted(let started)? = history.first?.body, state.phase.isRunning else { return nil }
                guard let last = history.last, !Self.isFinal(last.kind) else { return nil }
                guard let definition = state.definitions[started.workflow],
                    definition.accepts.contains(started.version)
                else {
                    state.stranded[started.workflow, default: []].insert(run)
                    return nil
                }
                guard !state.held.contains(run) else { return nil }
                if case .runAttemptFailed(let failed) = last.body, failed.retryAt > clock.now,
                    !inputs.contains(where: \.cancelsRun)
                {
                    // The function's next attempt has its recorded time, over restarts too, and asks for what came
                    // for the one before. Only a cancellation does not wait for it.
                    wakeAt = failed.retryAt
                    return nil
                }
                state.loading.remove(run)
                return try makeResident(history, definition, durableThrough: last.sequence, dues, inputs, &state)
            }
        } catch {
            return loadFailed(run, error, inputs)
        }
        if let instance {
            timers.clear(run)
            pool.submit(.drain(instance))
        } else {
            refuse(inputs, for: run, history)
        }
        if let wakeAt { setWake(run, at: wakeAt) }
        endIfQuiet()
        pump()
    }

    /// A history that can't be read concerns its run alone; the others go on.
    private func loadFailed(_ run: RunNumber, _ error: any Error, _ taken: [InstanceInput]) {
        let inputs = state.withLock { state in
            state.loading.remove(run)
            return taken + (state.stash.removeValue(forKey: run) ?? [])
        }
        logger.error("a run can't be read", metadata: ["run": "\(run)", "error": "\(error)"])
        let reason = error as? StoreError ?? StoreError(.damaged, "its history can't be: \(error)", run: run)
        for input in inputs {
            switch input {
            case .offer(let offer): answerOffer(offer.id, .success(.cannotWake))
            case .cancelRun(_, _, let token): answerCancel(token, .failure(reason))
            default: break
            }
        }
        endIfQuiet()
        pump()
    }

    static func isFinal(_ kind: EventKind) -> Bool {
        kind == .runSucceeded || kind == .runFailed || kind == .runCancelled
    }
}

extension InstanceInput {
    fileprivate var cancelsRun: Bool { if case .cancelRun = self { true } else { false } }

    /// Whether it is recorded for a run that can't be executed.
    var isRecordedCold: Bool {
        switch self {
        case .cancelRun: true
        case .offer(let offer): offer.isQueued
        default: false
        }
    }
}

/// Hears of a command that no instance made.
final class ColdObserver: CommitObserver {
    private let answer: @Sendable (Result<Bool, StoreError>) -> Void

    init(_ answer: @escaping @Sendable (Result<Bool, StoreError>) -> Void) { self.answer = answer }

    func acknowledged(_ outcome: Result<LSN, StoreError>, token: UInt64) { answer(outcome.map { _ in true }) }
}
