package import StepEvents

/// How the wall clock was set while this engine lived: what `sleep(for:)` counts on without it.
///
/// A sleep's record holds the wall-clock time at which it ends, as the clock stood when it began; while the process
/// lives that must not follow a clock that is set meanwhile. For runs in memory the timers see to that, on a clock that
/// nobody can set. For those that were parked, the place of a sleep in the log says which steps of the wall clock came
/// after it.
package struct WallClockSteps {
    /// Smaller differences are what two readings one after the other give, and less than what a sleep promises.
    package static let tolerance = Duration.milliseconds(20)

    /// How far the wall clock is ahead of the uptime, in nanoseconds, for what stands behind an LSN in the log.
    private var offsets: [(after: LSN, offset: Int64)]
    private var greatest: Int64

    /// `last` is the last LSN of the log that this engine found: what that holds was recorded by others.
    package init(now: Timestamp, uptime: UInt64, last: LSN) {
        greatest = Self.offset(now, uptime)
        offsets = [(last, greatest)]
    }

    private static func offset(_ now: Timestamp, _ uptime: UInt64) -> Int64 {
        now.nanoseconds &- Int64(clamping: uptime)
    }

    private var current: Int64 { offsets[offsets.count - 1].offset }

    package var wasSet: Bool { offsets.count > 1 }

    /// How much later than the wall clock says it may be for what began before the clock was set back.
    package var ahead: Duration { .nanoseconds(greatest - current) }

    /// Compares the clocks. Returns whether the wall clock has been set since this was asked last.
    package mutating func note(now: Timestamp, uptime: UInt64, last: () -> LSN) -> Bool {
        let offset = Self.offset(now, uptime)
        let (change, overflow) = offset.subtractingReportingOverflow(current)
        guard overflow || change.magnitude > UInt64(Self.tolerance.clampedNanoseconds) else { return false }
        offsets.append((max(last(), offsets[offsets.count - 1].after), offset))
        greatest = max(greatest, offset)
        return true
    }

    /// When something is due by the clock as it stands now that was recorded for `due` at `lsn`; `nil` for what this
    /// engine found in the log.
    package func due(_ due: Timestamp, recordedAt lsn: LSN) -> Timestamp? {
        guard let era = offsets.last(where: { $0.after < lsn }) else { return nil }
        return due.advanced(by: .nanoseconds(current - era.offset))
    }
}
