/// A point in wall-clock time, in nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
public struct Timestamp: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    public let nanoseconds: Int64

    /// Makes a timestamp.
    ///
    /// - Parameter nanoseconds: nanoseconds since 1970-01-01T00:00:00Z.
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// The later end of what can be expressed: 2262-04-11.
    package static let distantFuture = Timestamp(nanoseconds: .max)

    /// This time and `duration` later; stops at the ends of what can be expressed.
    package func advanced(by duration: Duration) -> Timestamp {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(duration.clampedNanoseconds)
        if overflow { return Timestamp(nanoseconds: duration < .zero ? .min : .max) }
        return Timestamp(nanoseconds: sum)
    }

    /// How much later `other` is than this; negative when it is earlier.
    package func duration(to other: Timestamp) -> Duration {
        .nanoseconds(other.nanoseconds) - .nanoseconds(nanoseconds)
    }

    /// Orders by time.
    public static func < (left: Timestamp, right: Timestamp) -> Bool { left.nanoseconds < right.nanoseconds }

    /// ISO 8601 in UTC with milliseconds: `2026-03-01T09:30:00.125Z`.
    ///
    /// The calendar arithmetic is the proleptic Gregorian one, by days from the civil era that starts on 0000-03-01
    /// (H. Hinnant, "chrono-compatible low-level date algorithms").
    public var description: String {
        let milliseconds = nanoseconds.flooredQuotient(1_000_000)
        let days = milliseconds.flooredQuotient(86_400_000)
        let ofDay = milliseconds - days * 86_400_000
        let shifted = days + 719_468
        let era = shifted.flooredQuotient(146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        let date = "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
        let time =
            "\(padded(ofDay / 3_600_000, 2)):\(padded(ofDay / 60_000 % 60, 2)):\(padded(ofDay / 1_000 % 60, 2))"
        return "\(date)T\(time).\(padded(ofDay % 1_000, 3))Z"
    }
}

private func padded(_ number: Int64, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
}

extension Int64 {
    fileprivate func flooredQuotient(_ divisor: Int64) -> Int64 {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}

extension Duration {
    /// The duration in nanoseconds, rounded towards zero, stopping at the ends of `Int64` (about 292 years).
    package var clampedNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        let (sum, carried) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
        if carried { return seconds < 0 ? .min : .max }
        return sum
    }
}
