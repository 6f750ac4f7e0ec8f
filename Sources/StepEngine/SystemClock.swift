import Glibc
package import StepEvents
import StepLocks
import StepLog

/// The machine's clocks, with one thread that sleeps until the next alarm. The only file of this module that reads
/// them.
package final class SystemClock: EngineClock {
    private struct State {
        var deadline: UInt64?
        var stopped = false
        var started = false
    }

    private let monitor = Monitor()
    /// Guarded by `monitor`.
    private let state = Locked(State())

    package init() {}

    package var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// Goes on while the machine is suspended: who slept through that is late enough.
    package var uptime: UInt64 { Self.read(CLOCK_BOOTTIME) }

    /// What threads wait by; it stands still while the machine is suspended.
    static var monotonic: UInt64 { read(CLOCK_MONOTONIC) }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// How long the thread sleeps at most, in nanoseconds, before it looks whether the machine was suspended meanwhile.
    private static let longestNap: UInt64 = 10_000_000_000

    package func start(_ alarm: @escaping @Sendable () -> Void) {
        let isFirst = state.withLock { state in
            defer { state.started = true }
            return !state.started
        }
        guard isFirst else { return }
        EngineThread.start { [self] in sleepAndRing(alarm) }
    }

    package func setAlarm(at deadline: UInt64?) {
        monitor.withLock {
            state.withLock { $0.deadline = deadline }
            monitor.signal()
        }
    }

    package func stop() {
        monitor.withLock {
            state.withLock { $0.stopped = true }
            monitor.broadcast()
        }
    }

    private func sleepAndRing(_ alarm: @Sendable () -> Void) {
        while true {
            monitor.lock()
            while true {
                let (deadline, stopped) = state.withLock { ($0.deadline, $0.stopped) }
                if stopped {
                    monitor.unlock()
                    return
                }
                if let deadline {
                    let now = uptime
                    if deadline <= now { break }
                    monitor.wait(untilMonotonic: Self.monotonic + min(deadline - now, Self.longestNap))
                } else {
                    monitor.wait()
                }
            }
            state.withLock { $0.deadline = nil }
            monitor.unlock()
            alarm()
        }
    }
}
