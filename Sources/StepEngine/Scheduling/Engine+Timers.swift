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
    /// How many rows of the table are read at once.
    private static let timerPage = 1_000

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
            case .engine(.parking): parkAlarmFired()
            case .engine(.trim): trimMemory()
            case .engine(.nextWindow):
                pool.submit(.job { [self] in openWindow() })
            }
        }
    }

    /// Sets the timers of the next window for runs that are not resident.
    func openWindow() {
        let now = clock.now
        let end = now.advanced(by: Self.timerWindow)
        let isRunning = state.withLock { state in
            // Before the table is read: what is added to it after that is set at once by ``setWake(_:at:)``.
            if state.phase.isRunning { state.windowEnd = max(state.windowEnd, end) }
            return state.phase.isRunning
        }
        guard isRunning else { return }
        var window = TimerWindow(now: now, end: end, room: timersAtOnce)
        do {
            while window.hasMore {
                let last = window.last
                let rows = try store.read { snapshot in
                    try snapshot.timers(after: last, dueBefore: end, limit: Self.timerPage)
                }
                state.withLock { state in window.take(rows, isFull: rows.count == Self.timerPage, state) }
            }
        } catch {
            logger.error("timers can't be read", metadata: ["error": "\(error)"])
            window.isCutOff(at: now)
        }
        for (run, due) in window.wakes { timers.set(.wake(run), due: due, after: nil) }
        for lsn in window.expired { expireKept(lsn) }
        state.withLock { state in
            state.windowEnd = min(state.windowEnd, window.reached)
            guard state.phase.isRunning else { return }
            for run in window.overdue { state.enqueue(run) }
        }
        // Reading takes time too, which the next window must not begin later for.
        let later = clock.now
        let isOver = window.reached == end && later >= end
        let wait = isOver ? .zero : max(.seconds(1), later.duration(to: window.next))
        timers.set(.engine(.nextWindow), due: later.advanced(by: wait), after: wait)
        if !window.overdue.isEmpty { pump() }
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

/// What is due within the next window for runs that are not resident.
private struct TimerWindow {
    private static let expiriesAtOnce = 1_000

    let now: Timestamp
    /// How many more timers may be set.
    private var room: Int
    /// Whether there are rows to be read, and the one that was read last.
    private(set) var hasMore = true
    private(set) var last: TimerRow?
    private(set) var wakes: [(RunNumber, Timestamp)] = []
    /// Runs for which something is due already.
    private(set) var overdue: [RunNumber] = []
    private(set) var expired: [LSN] = []
    /// Up to where timers are set.
    private(set) var reached: Timestamp
    /// When to look again.
    private(set) var next: Timestamp

    init(now: Timestamp, end: Timestamp, room: Int) {
        self.now = now
        self.room = room
        reached = end
        next = end
    }

    /// Not all could be read.
    mutating func isCutOff(at time: Timestamp) {
        reached = min(reached, time)
        next = min(next, time)
    }

    /// Timers of runs that can't be executed here, or are about to be, are of no use: such runs look at what is due
    /// when they are read. However many there are, they take no room from the others.
    mutating func take(_ rows: [TimerRow], isFull: Bool, _ state: EngineState) {
        last = rows.last
        hasMore = isFull
        for row in rows {
            switch row.owner {
            case .keptSignal(let lsn):
                if row.due <= now, expired.count < Self.expiriesAtOnce {
                    expired.append(lsn)
                } else {
                    next = min(next, row.due)
                }
            case .step(let run, _):
                guard state.needsWake(run) else { continue }
                if row.due <= now {
                    overdue.append(run)
                } else if room > 0 {
                    room -= 1
                    wakes.append((run, row.due))
                } else {
                    hasMore = false
                    return isCutOff(at: wakes.last?.1 ?? now)
                }
            }
        }
    }
}
