import StepEvents
import StepLocks
import StepReplay

/// The engine's timers: a queue, the clock's one alarm, and who is told.
final class TimerService: Sendable {
    private let queue = Locked(TimerQueue())
    private let clock: any EngineClock
    private let fire: Locked<(@Sendable ([TimerQueue.Owner]) -> Void)?> = Locked(nil)

    /// While a deadline follows the wall clock, which anyone may set, the engine looks at least this often, in ns.
    private static let wallClockCheck: UInt64 = 1_000_000_000

    init(clock: any EngineClock) { self.clock = clock }

    func start(_ fire: @escaping @Sendable ([TimerQueue.Owner]) -> Void) {
        self.fire.withLock { $0 = fire }
        clock.start { [weak self] in self?.ring() }
        queue.withLock { setAlarm(&$0) }
    }

    func set(_ owner: TimerQueue.Owner, due: Timestamp, after wait: Duration?) {
        queue.withLock { queue in
            if let wait {
                let nanoseconds = UInt64(max(0, wait.clampedNanoseconds))
                let (deadline, overflow) = clock.uptime.addingReportingOverflow(nanoseconds)
                queue.add(owner, uptime: overflow ? .max : deadline)
            } else {
                queue.add(owner, wall: due)
            }
            setAlarm(&queue)
        }
    }

    /// Returns when the first of the step's timers was due.
    @discardableResult
    func clear(_ run: RunNumber, _ step: StepNumber) -> TimerQueue.Earliest {
        queue.withLock { $0.clear(run, step) }
    }
    func clear(_ run: RunNumber) { queue.withLock { $0.clear(run) } }
    func clear(_ alarm: TimerQueue.EngineAlarm) { queue.withLock { $0.clear(alarm) } }

    private func ring() {
        let due = queue.withLock { queue in
            defer { setAlarm(&queue) }
            return queue.takeDue(uptime: clock.uptime, now: clock.now)
        }
        // Also of nothing: the wall clock may have been set.
        fire.withLock { $0 }?(due)
        guard !due.isEmpty else { return }
        queue.withLock { setAlarm(&$0) }
    }

    private func setAlarm(_ queue: inout TimerQueue) {
        let uptime = clock.uptime
        var deadline = queue.nextDeadline(uptime: uptime, now: clock.now)
        if queue.hasWallTimers, clock is SystemClock {
            deadline = min(deadline ?? .max, uptime + Self.wallClockCheck)
        }
        clock.setAlarm(at: deadline)
    }
}
