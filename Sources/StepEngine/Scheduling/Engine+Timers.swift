import Logging
import StepCore
import StepEvents
import StepLocks
import StepLog
import StepReplay
import Synchronization

extension Engine {
    /// Timers of runs that are not resident are kept on disk and set this far ahead, so that a million sleeping runs
    /// cost no memory.
    static let timerWindow = Duration.seconds(60)
    /// At most this many of them are set at once.
    private static let timersAtOnce = 10_000

    func setTimer(_ run: RunNumber, _ timer: MachineTimer) {
        let wait = timer.wait.map { wait in
            // It counts from when the run's machine decided it, which is a moment ago: what is recorded is `due`.
            let late = timer.due.advanced(by: .zero - wait).duration(to: clock.now)
            return wait - max(.zero, min(late, wait))
        }
        timers.set(.run(run, timer), due: timer.due, after: wait)
    }

    /// Wakes a run that is not resident when something is due; what is due later is found on disk in time.
    func setWake(_ run: RunNumber, at time: Timestamp) {
        let isNear = state.withLock { time <= $0.windowEnd }
        if isNear { timers.set(.wake(run), due: time, after: nil) }
    }

    func timersFired(_ due: [TimerQueue.Owner]) {
        for owner in due {
            switch owner {
            case .run(let run, let timer):
                let resident = state.withLock { $0.residents[run] }
                resident?.post(.timerFired(timer))
            case .wake(let run): wake(run)
            case .engine(.shutdownGrace): unwindAll()
            case .engine(.turnLimit(let id)): grant(state.withLock { $0.turns.expire(id) })
            case .engine(.strandedWarning): warnOfStranded()
            case .engine(.nextWindow):
                pool.submit(.job { [self] in openWindow() })
            }
        }
    }

    /// Sets the timers of the next window for runs that are not resident.
    func openWindow() {
        let now = clock.now
        let end = now.advanced(by: Self.timerWindow)
        let rows: [TimerRow]
        do {
            rows = try store.read { snapshot in
                try snapshot.timers(dueBefore: end, limit: Self.timersAtOnce)
            }
        } catch {
            logger.error("timers can't be read", metadata: ["error": "\(error)"])
            timers.set(.engine(.nextWindow), due: now.advanced(by: .seconds(1)), after: .seconds(1))
            return
        }
        let isFull = rows.count == Self.timersAtOnce
        let reached = isFull ? rows.last?.due ?? end : end
        let (wakes, kept) = state.withLock { state -> ([TimerRow], [LSN]) in
            state.windowEnd = max(state.windowEnd, reached)
            var wakes: [TimerRow] = []
            var kept: [LSN] = []
            for row in rows {
                switch row.owner {
                case .keptSignal(let lsn): if row.due <= now { kept.append(lsn) }
                case .step(let run, _): if state.residents[run] == nil { wakes.append(row) }
                }
            }
            return (wakes, kept)
        }
        for row in wakes {
            guard case .step(let run, _) = row.owner else { continue }
            timers.set(.wake(run), due: row.due, after: nil)
        }
        for lsn in kept { expireKept(lsn) }
        let wait = isFull ? max(.seconds(1), now.duration(to: reached)) : Self.timerWindow
        timers.set(.engine(.nextWindow), due: now.advanced(by: wait), after: wait)
    }

    // MARK: Turns of steps that crashes had interrupted

    func requestTurn(_ run: RunNumber, _ step: StepNumber) {
        grant(state.withLock { $0.turns.request(TurnQueue.Turn(run: run, step: step)) })
    }

    func endTurn(_ run: RunNumber, _ step: StepNumber) {
        grant(state.withLock { $0.turns.end(TurnQueue.Turn(run: run, step: step)) })
    }

    /// The run's next instance asks for a turn itself, if it still wants one.
    func withdrawTurns(of run: RunNumber) { grant(state.withLock { $0.turns.withdraw(run) }) }

    private func grant(_ next: (turn: TurnQueue.Turn, id: UInt64)?) {
        guard let next else { return }
        let resident = state.withLock { $0.residents[next.turn.run] }
        guard let resident else { return grant(state.withLock { $0.turns.end(next.turn) }) }
        timers.set(
            .engine(.turnLimit(next.id)), due: clock.now.advanced(by: TurnQueue.limit), after: TurnQueue.limit)
        resident.post(.turnGranted(next.turn.step))
    }
}
