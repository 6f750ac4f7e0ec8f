import StepEvents

/// When a failed step, or a workflow function that threw, is tried again.
///
/// The default is four attempts in all, the first wait one second, doubled each time up to five minutes, each wait
/// moved by at most a tenth of itself. How far it is moved is drawn from the run's seed, so a replay draws the same.
public struct RetryPolicy: Sendable {
    /// Attempts in all, the first one included; at least 1.
    public var maxAttempts: Int
    /// The wait after the first failure.
    public var initial: Duration
    /// What the wait is multiplied by after each further failure; at least 1.
    public var factor: Double
    /// The longest wait, before jitter.
    public var maximum: Duration
    /// The largest part of itself by which a wait is moved either way, from 0 to 1.
    public var jitter: Double
    /// Asked with each error whether another attempt makes sense; `nil` means always.
    public var shouldRetry: (@Sendable (any Error) -> Bool)?

    /// Four attempts; 1 s, 2 s, 4 s between them, ± 10 %.
    public static let `default` = RetryPolicy()

    /// One attempt and no more.
    public static let never = RetryPolicy(maxAttempts: 1)

    /// Waits that grow.
    ///
    /// - Parameters:
    ///   - maxAttempts: attempts in all, the first included.
    ///   - initial: the wait after the first failure.
    ///   - factor: what the wait is multiplied by each time.
    ///   - max: the longest wait.
    ///   - jitter: the part of itself by which a wait may be moved.
    /// - Returns: the policy.
    public static func exponential(
        maxAttempts: Int = 4, initial: Duration = .seconds(1), factor: Double = 2, max: Duration = .seconds(300),
        jitter: Double = 0.1
    ) -> RetryPolicy {
        RetryPolicy(maxAttempts: maxAttempts, initial: initial, factor: factor, maximum: max, jitter: jitter)
    }

    /// The same wait each time.
    ///
    /// - Parameters:
    ///   - maxAttempts: attempts in all, the first included.
    ///   - delay: the wait between attempts.
    ///   - jitter: the part of itself by which a wait may be moved.
    /// - Returns: the policy.
    public static func fixed(maxAttempts: Int = 4, delay: Duration, jitter: Double = 0.1) -> RetryPolicy {
        RetryPolicy(maxAttempts: maxAttempts, initial: delay, factor: 1, maximum: delay, jitter: jitter)
    }

    /// Makes a policy; values outside their range are moved to the nearest that is inside.
    ///
    /// - Parameters:
    ///   - maxAttempts: attempts in all, the first included.
    ///   - initial: the wait after the first failure.
    ///   - factor: what the wait is multiplied by each time.
    ///   - maximum: the longest wait.
    ///   - jitter: the part of itself by which a wait may be moved.
    ///   - shouldRetry: asked with each error whether another attempt makes sense.
    public init(
        maxAttempts: Int = 4, initial: Duration = .seconds(1), factor: Double = 2, maximum: Duration = .seconds(300),
        jitter: Double = 0.1, shouldRetry: (@Sendable (any Error) -> Bool)? = nil
    ) {
        self.maxAttempts = Swift.max(1, maxAttempts)
        self.initial = Swift.max(.zero, initial)
        self.factor = factor.isFinite ? Swift.max(1, factor) : 1
        self.maximum = Swift.max(.zero, maximum)
        self.jitter = jitter.isFinite ? Swift.min(1, Swift.max(0, jitter)) : 0
        self.shouldRetry = shouldRetry
    }

    /// The wait before the next attempt.
    ///
    /// `failures` counts the failures so far, this one included; `draw` is a uniform number of 64 bits.
    package func delay(afterFailures failures: Int, draw: UInt64) -> Duration {
        let limit = Double(maximum.clampedNanoseconds)
        var wait = Double(initial.clampedNanoseconds)
        for _ in 1..<Swift.max(1, Swift.min(failures, 1_000)) where wait < limit { wait *= factor }
        wait = Swift.min(wait, limit)
        // 53 bits, the precision of a Double, spread over -1 ..< 1.
        let unit = Double(draw >> 11) / Double(1 << 52) - 1
        return .nanoseconds(Int64(Swift.max(0, Swift.min(wait * (1 + jitter * unit), 9e18))))
    }
}
