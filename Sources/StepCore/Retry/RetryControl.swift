/// An error that no further attempt can mend.
///
/// A step whose body throws one fails at once, whatever its retry policy.
public protocol NonRetryable: Error {}

/// Says that no further attempt makes sense.
///
/// ```swift
/// guard order.amount > 0 else { throw NonRetryableError("the amount of order \(order.id) is not positive") }
/// ```
public struct NonRetryableError: NonRetryable, CustomStringConvertible {
    /// What went wrong.
    public let message: String
    /// The error behind it, if there is one; it is recorded as the cause.
    public let underlying: (any Error)?

    /// Makes the error.
    ///
    /// - Parameters:
    ///   - message: what went wrong.
    ///   - underlying: the error behind it.
    public init(_ message: String, underlying: (any Error)? = nil) {
        self.message = message
        self.underlying = underlying
    }

    /// The message.
    public var description: String { message }
}

/// Says when the next attempt should begin, in place of the retry policy's wait. The number of attempts stays the
/// policy's.
public struct RetryAfterError: Error, CustomStringConvertible {
    /// How long to wait before the next attempt.
    public let after: Duration
    /// What went wrong.
    public let message: String
    /// The error behind it, if there is one; it is recorded as the cause.
    public let underlying: (any Error)?

    /// Makes the error.
    ///
    /// - Parameters:
    ///   - after: how long to wait before the next attempt; negative counts as zero.
    ///   - message: what went wrong.
    ///   - underlying: the error behind it.
    public init(after: Duration, _ message: String = "to be retried later", underlying: (any Error)? = nil) {
        self.after = max(.zero, after)
        self.message = message
        self.underlying = underlying
    }

    /// The message.
    public var description: String { message }
}
