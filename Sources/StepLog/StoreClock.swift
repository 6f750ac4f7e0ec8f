package import StepEvents

/// Time as the log's writer sees it. The real one is ``SystemStoreClock``; tests move theirs by hand.
package protocol StoreClock: Sendable {
    /// Wall-clock time, for the records.
    var now: Timestamp { get }
    /// Nanoseconds on a clock that no one sets, for durations.
    var uptime: UInt64 { get }
    /// Waits, with `monitor` locked, until it is signalled or `deadline` (in `uptime`) has come. May return early.
    func wait(on monitor: Monitor, until deadline: UInt64?)
}
