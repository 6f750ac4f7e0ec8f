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
        // Before the event that it belongs to is in the log: that stands behind every step of the clock until now.
        if timer.wait != nil { noteWallClock() }
        let wait = timer.wait.map { wait in
            // It counts from when the run's machine decided it, which is a moment ago: what is recorded is `due`.
            let late = timer.due.advanced(by: .zero - wait).duration(to: clock.now)
            return wait - max(.zero, min(late, wait))
        }
        timers.set(.run(run, timer), due: timer.due, after: wait)
    }

    /// Wakes a run that is not resident when something is due; what is due later is found on disk in time. `exact` says
    /// what its timers did, which counts where the wall clock was set since `time` was recorded.
    func setWake(_ run: RunNumber, at time: Timestamp, _ exact: TimerQueue.Earliest = .init()) {
        let exact = wallClock.withLock { $0.wasSet } ? exact : .init()
        let (now, uptime) = (clock.now, clock.uptime)
        var (due, wait) = (exact.wall ?? time, Duration?.none)
        if let deadline = exact.uptime {
            let left = Duration.nanoseconds(deadline > uptime ? Int64(clamping: deadline - uptime) : 0)
            if exact.wall == nil || now.advanced(by: left) < due { (due, wait) = (now.advanced(by: left), left) }
        }
        let difference = due.duration(to: time)
        let isNear = state.withLock { state in
            if difference > WallClockSteps.tolerance || difference < .zero - WallClockSteps.tolerance {
                let left = UInt64(max(0, now.duration(to: due).clampedNanoseconds))
                state.exactWakes[run] = uptime.addingReportingOverflow(left).partialValue
            }
            return due <= state.windowEnd
        }
        if isNear { timers.set(.wake(run), due: due, after: wait) }
    }

    /// Looks whether the wall clock was set. Rows of timers that were recorded before may then be due earlier than they
    /// say.
    func noteWallClock() {
        let wasSet = wallClock.withLock { steps in
            // Under the lock, so that no reading is compared with a later one.
            guard let (now, uptime) = clock.together else { return false }
            // The log may hold less than was accepted by now, for a moment; such a sleep ends with the clock's step.
            return steps.note(now: now, uptime: uptime) {
                (try? store.read { snapshot in try snapshot.lastLSN() }) ?? .zero
            }
        }
        guard wasSet else { return }
        logger.notice("the wall clock was set; sleeps that were begun for a duration go on as they were")
        timers.set(.engine(.nextWindow), due: clock.now, after: .zero)
    }

    /// When what this process recorded in a run's history is due as the wall clock stands now.
    func steadyDues(_ history: [LoggedEvent]) -> [StepNumber: Timestamp] {
        noteWallClock()
        return wallClock.withLock { steps in
            var dues: [StepNumber: Timestamp] = [:]
            for logged in history {
                let recorded: Timestamp? =
                    switch logged.event.body {
                    case .slept(let body): body.until
                    case .waitStarted(let body): body.timeoutAt
                    case .invokeStarted(let body): body.timeoutAt
                    default: nil
                    }
                guard let recorded else { continue }
                dues[StepNumber(logged.event.sequence)] = steps.due(recorded, recordedAt: logged.lsn)
            }
            return dues
        }
    }

    func timersFired(_ due: [TimerQueue.Owner]) {
        noteWallClock()
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
        noteWallClock()
        let (now, uptime) = (clock.now, clock.uptime)
        let end = now.advanced(by: Self.timerWindow)
        let ahead = wallClock.withLock { $0.ahead }
        let isRunning = state.withLock { state in
            // Before the table is read: what is added to it after that is set at once by ``setWake(_:at:)``.
            if state.phase.isRunning { state.windowEnd = max(state.windowEnd, end) }
            return state.phase.isRunning
        }
        guard isRunning else { return }
        var window = TimerWindow(now: now, uptime: uptime, end: end, ahead: ahead, room: timersAtOnce)
        do {
            while window.hasMore {
                let last = window.last
                let rows = try store.read { snapshot in
                    try snapshot.timers(after: last, dueBefore: end.advanced(by: ahead), limit: Self.timerPage)
                }
                state.withLock { state in window.take(rows, isFull: rows.count == Self.timerPage, state) }
            }
        } catch {
            logger.error("timers can't be read", metadata: ["error": "\(error)"])
            window.isCutOff(at: now)
        }
        for wake in window.wakes {
            timers.set(.wake(wake.run), due: wake.due, after: wake.isSteady ? now.duration(to: wake.due) : nil)
        }
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
    private let uptime: UInt64
    private let end: Timestamp
    /// How much earlier than it says a row may be due.
    private let ahead: Duration
    /// How many more timers may be set.
    private var room: Int
    /// Whether there are rows to be read, and the one that was read last.
    private(set) var hasMore = true
    private(set) var last: TimerRow?
    private(set) var wakes: [(run: RunNumber, due: Timestamp, isSteady: Bool)] = []
    /// Runs for which something is due already.
    private(set) var overdue: [RunNumber] = []
    private(set) var expired: [LSN] = []
    /// Up to where timers are set.
    private(set) var reached: Timestamp
    /// When to look again.
    private(set) var next: Timestamp

    init(now: Timestamp, uptime: UInt64, end: Timestamp, ahead: Duration, room: Int) {
        self.now = now
        self.uptime = uptime
        self.end = end
        self.ahead = ahead
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
                let exact = state.exactWakes[run].map { wake in
                    now.advanced(by: .nanoseconds(Int64(clamping: wake) - Int64(clamping: uptime)))
                }
                // A run that is woken too early looks at what is due, and leaves again with an exact time.
                let due = exact ?? row.due.advanced(by: .zero - ahead)
                if due <= now {
                    overdue.append(run)
                } else if due > end {
                    continue
                } else if room > 0 {
                    room -= 1
                    wakes.append((run, due, exact != nil || ahead > .zero))
                } else {
                    hasMore = false
                    return isCutOff(at: row.due.advanced(by: .zero - ahead))
                }
            }
        }
    }
}
