import StepEvents

/// Decides when the allocator is to give memory back to the system: not for a few runs, and not all the time.
struct MemoryTrim {
    /// So many runs must have left memory since the last time.
    static let runs = 1_000
    static let pause = Duration.seconds(10)

    private var left = 0
    private var isSet = false
    /// When it was done last, in uptime.
    private var last: UInt64?

    /// A run has left memory. Returns after how long to trim, when that has become known.
    mutating func runLeft(at uptime: UInt64) -> Duration? {
        left += 1
        guard left >= Self.runs, !isSet else { return nil }
        isSet = true
        guard let last else { return .zero }
        return max(.zero, Self.pause - .nanoseconds(Int64(clamping: uptime - min(last, uptime))))
    }

    mutating func begins(at uptime: UInt64) {
        (left, isSet, last) = (0, false, uptime)
    }
}
