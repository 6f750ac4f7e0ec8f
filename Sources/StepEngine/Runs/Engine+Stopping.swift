import Logging
import StepCore
import StepEvents
import StepLocks
import StepLog
import StepReplay
import Synchronization

extension Engine {
    func untilOver() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if case .failed = state.phase { return true }
                if isShutDown(state) { return true }
                state.stopWaiters.append(continuation)
                return false
            }
            if isOver { continuation.resume() }
        }
    }

    /// Whether a shutdown has come to its end.
    ///
    /// A store without room must not keep it from that once the grace is over. What is not written yet stays queued
    /// until the store is closed; nothing was acknowledged that rests on it.
    private func isShutDown(_ state: EngineState) -> Bool {
        guard state.phase.isStopping else { return false }
        return state.isQuiet || state.graceIsOver && store.waitsForRoom && state.waitsOnlyForLog
    }

    func endedRunning() {
        timers.clear(.shutdownGrace)
        timers.clear(.parking)
        let (left, letGo) = state.withLock { state -> ([InstanceInput], [Resident]) in
            state.stopsAtOnce = false
            state.turns = TurnQueue()
            state.parkAlarmIsSet = false
            var letGo: [Resident] = []
            if state.phase.isRunning || state.phase.isStopping {
                state.phase = .idle
                letGo = Array(state.residents.values)
                state.letGo.formUnion(state.residents.keys)
                state.residents = [:]
                state.waiting = WaitingRuns()
            }
            state.graceIsOver = false
            state.barriers = []
            defer { state.stash = [:] }
            return (Array(state.stash.values.joined()), letGo)
        }
        for resident in letGo {
            timers.clear(resident.number)
            resident.detach()
        }
        refuseForNow(left)
        results.fail(EngineNotRunning(operation: "waiting for a result"))
        resumeStopWaiters()
    }

    /// Starts nothing more; bodies that run get `grace`, then everything leaves memory.
    func stop(grace: Duration) {
        let residents = state.withLock { state -> [Resident]? in
            guard state.phase.isRunning else {
                // Asked for before the engine ran: it will not begin.
                state.stopsAtOnce = true
                return nil
            }
            state.phase = .stopping
            state.clearQueues()
            return Array(state.residents.values)
        }
        guard let residents else { return }
        stopping.store(true, ordering: .releasing)
        for resident in residents { resident.post(.quiesce) }
        if grace <= .zero {
            unwindAll()
        } else {
            timers.set(.engine(.shutdownGrace), due: clock.now.advanced(by: grace), after: grace)
            endIfQuiet()
        }
    }

    /// The grace is over: what still runs is cut off, recorded as interrupted by a shutdown.
    func unwindAll() {
        let residents = state.withLock { state in
            if state.phase.isStopping { state.graceIsOver = true }
            return Array(state.residents.values)
        }
        for resident in residents { resident.post(.unwind(interrupting: true)) }
        letGoIfFull()
    }

    /// The grace is over and the store has no room: whoever only waits for the log waits no longer.
    func letGoIfFull() {
        let barriers = state.withLock { state -> Set<UInt64> in
            guard state.graceIsOver, store.waitsForRoom else { return [] }
            defer { state.barriers = [] }
            return state.barriers
        }
        for token in barriers { answers.answer(token, .failure(LogNotDrained())) }
        endIfQuiet()
    }

    func endIfQuiet() {
        if state.withLock({ isShutDown($0) }) { resumeStopWaiters() }
    }

    private struct LogNotDrained: Error {}

    /// Waits until everything submitted before is durable. Returns whether it is: not when a shutdown can't wait for
    /// a store that has no room.
    func drainLog() async throws -> Bool {
        do {
            try await submitAndWait(EventBatch(), [], .completion) { token in
                state.withLock { _ = $0.barriers.insert(token) }
            }
            return true
        } catch is LogNotDrained {
            return false
        }
    }

    func resumeStopWaiters() {
        let waiters = state.withLock { state in
            defer { state.stopWaiters = [] }
            return state.stopWaiters
        }
        for waiter in waiters { waiter.resume() }
    }
}
