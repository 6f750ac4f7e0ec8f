package import StepEvents

/// Time as the engine sees it. The real one is ``SystemClock``; tests move theirs by hand.
package protocol EngineClock: AnyObject, Sendable {
    /// Wall-clock time: what events carry, and what `sleep(until:)` follows.
    var now: Timestamp { get }
    /// Nanoseconds on a clock that no one can set: what `sleep(for:)` counts on while the process lives.
    var uptime: UInt64 { get }
    /// Says what is to be called when an alarm is due, on a thread that may take locks but must not wait. Once only.
    func start(_ alarm: @escaping @Sendable () -> Void)
    /// Sets the one alarm, in `uptime`; `nil` clears it.
    func setAlarm(at deadline: UInt64?)
    func stop()
}

extension EngineClock {
    /// Both clocks at one moment, within five milliseconds; `nil` where the system set the thread aside between the
    /// readings each time. Told apart from a wall clock that is set only by that.
    package var together: (now: Timestamp, uptime: UInt64)? {
        for _ in 0..<8 {
            let (before, now, after) = (uptime, now, uptime)
            if after &- before <= 5_000_000 { return (now, after) }
        }
        return nil
    }
}

/// Randomness as the engine sees it: run ids and seeds.
package protocol EngineRandomness: AnyObject, Sendable {
    func next() -> UInt64
}
