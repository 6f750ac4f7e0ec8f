import StepEngine
package import StepEvents
import StepLocks

/// Time that moves only when a test says so, for one engine.
///
/// Whatever becomes due is rung in the order of the deadlines, on the caller's thread, with the clock at the deadline.
package final class VirtualClock: EngineClock {
    private struct State {
        var now: Timestamp
        var uptime: UInt64
        var alarm: UInt64?
        var ring: (@Sendable () -> Void)?
        var isStopped = false
    }

    private let state: Locked<State>
    private let waiting = WaitList()

    package init(
        now: Timestamp = Timestamp(nanoseconds: 1_772_000_000_000_000_000), uptime: UInt64 = 1_000_000_000
    ) {
        state = Locked(State(now: now, uptime: uptime))
    }

    package var now: Timestamp { state.withLock { $0.now } }
    package var uptime: UInt64 { state.withLock { $0.uptime } }
    /// When the engine wants to be woken, in `uptime`.
    package var alarm: UInt64? { state.withLock { $0.alarm } }

    // MARK: Moving

    /// Moves time on, ringing on the way for whatever is due.
    package func advance(by duration: Duration) {
        advance(to: uptime &+ UInt64(max(0, duration.clampedNanoseconds)))
    }

    /// Waits until the engine has set an alarm, and moves to it. Returns how far time moved.
    @discardableResult
    package func advanceToNextAlarm() async throws -> Duration {
        try await untilAlarm()
        let begin = uptime
        if let alarm { advance(to: alarm) }
        return .nanoseconds(Int64(uptime &- begin))
    }

    /// Waits until the engine has set an alarm that is due within a time from now, or has stopped. A body may begin a
    /// moment before the engine has set the timers that go with it.
    package func untilAlarm(within duration: Duration = .seconds(1_000_000_000)) async throws {
        let wait = UInt64(max(0, duration.clampedNanoseconds))
        try await waiting.wait { [self] in
            state.withLock { state in
                state.isStopped || state.alarm.map { $0 <= state.uptime &+ wait } ?? false
            }
        }
    }

    /// Sets the wall clock, as an operator would; durations are measured on.
    package func setWallClock(_ time: Timestamp) {
        let alarm = state.withLock { state in
            state.now = time
            return state.ring
        }
        alarm?()
    }

    private func advance(to target: UInt64) {
        while true {
            let (ring, isThere) = state.withLock { state -> ((@Sendable () -> Void)?, Bool) in
                guard let alarm = state.alarm, alarm <= target, !state.isStopped else {
                    Self.move(&state, to: target)
                    return (nil, true)
                }
                Self.move(&state, to: alarm)
                state.alarm = nil
                return (state.ring, false)
            }
            if isThere { break }
            ring?()
        }
    }

    private static func move(_ state: inout State, to uptime: UInt64) {
        guard uptime > state.uptime else { return }
        state.now = state.now.advanced(by: .nanoseconds(Int64(clamping: uptime - state.uptime)))
        state.uptime = uptime
    }

    // MARK: EngineClock

    package func start(_ alarm: @escaping @Sendable () -> Void) { state.withLock { $0.ring = alarm } }

    package func setAlarm(at deadline: UInt64?) {
        let isDue = state.withLock { state in
            state.alarm = deadline
            return deadline.map { $0 <= state.uptime } ?? false
        }
        if deadline != nil { waiting.changed() }
        // Whoever sets it holds the lock that ringing takes.
        if isDue { Task { advance(by: .zero) } }
    }

    package func stop() {
        state.withLock { state in
            state.isStopped = true
            state.ring = nil
        }
        waiting.changed()
    }
}
