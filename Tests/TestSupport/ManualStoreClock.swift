package import StepEvents
import StepLocks
package import StepLog

/// A clock of a store that moves only when a test says so.
package final class ManualStoreClock: StoreClock {
    private struct State {
        var uptime: UInt64 = 1_000_000_000
        var now = Timestamp(nanoseconds: 1_772_000_000_000_000_000)
        var sleepers: [ObjectIdentifier: Monitor] = [:]
    }

    private let state = Locked(State())

    package init() {}

    package var now: Timestamp { state.withLock { $0.now } }
    package var uptime: UInt64 { state.withLock { $0.uptime } }

    package func advance(by duration: Duration) {
        let sleepers = state.withLock { state in
            state.uptime += UInt64(max(0, duration.clampedNanoseconds))
            state.now = state.now.advanced(by: duration)
            return Array(state.sleepers.values)
        }
        for monitor in sleepers { monitor.withLock { monitor.broadcast() } }
    }

    /// Sets the wall clock, as an operator would; durations are measured on.
    package func setWallClock(_ time: Timestamp) { state.withLock { $0.now = time } }

    package func wait(on monitor: Monitor, until deadline: UInt64?) {
        let isDue = state.withLock { state in
            state.sleepers[ObjectIdentifier(monitor)] = monitor
            return deadline.map { state.uptime >= $0 } ?? false
        }
        // Whoever moves the clock from here on takes the monitor's lock, which we hold, before it wakes us.
        if !isDue { monitor.wait() }
        state.withLock { _ = $0.sleepers.removeValue(forKey: ObjectIdentifier(monitor)) }
    }
}
