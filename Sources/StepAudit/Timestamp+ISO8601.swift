public import StepEvents

extension Timestamp {
    /// Reads a time in ISO 8601: `2026-03-01` (its beginning in UTC), `2026-03-01T09:30:00Z`, `2026-03-01T09:30Z`, with
    /// a fraction of the second, with an offset like `+01:00` in place of `Z`. `nil` when `text` has another form.
    ///
    /// - Parameter text: the time.
    public init?(iso8601 text: String) {
        var reader = TimeReader(text)
        guard let nanoseconds = reader.read() else { return nil }
        self.init(nanoseconds: nanoseconds)
    }
}

/// Reads a time from left to right.
private struct TimeReader {
    private var rest: Substring.UTF8View

    init(_ text: String) { rest = text[...].utf8 }

    mutating func read() -> Int64? {
        guard let year = digits(4), take("-"), let month = digits(2), take("-"), let day = digits(2),
            let days = Self.days(year, month, day)
        else { return nil }
        var seconds = days * 86_400
        var fraction: Int64 = 0
        if !rest.isEmpty {
            guard take("T") || take("t"), let hour = digits(2), hour < 24, take(":"), let minute = digits(2),
                minute < 60
            else { return nil }
            seconds += hour * 3_600 + minute * 60
            if take(":") {
                guard let second = digits(2), second < 60 else { return nil }
                seconds += second
                if take(".") {
                    guard let read = nanosecondsOfFraction() else { return nil }
                    fraction = read
                }
            }
            guard let offset = offset() else { return nil }
            seconds -= offset
        }
        let (product, isTooFar) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflow) = product.addingReportingOverflow(fraction)
        return isTooFar || overflow ? nil : sum
    }

    /// Seconds east of UTC. What follows the time must be nothing else.
    private mutating func offset() -> Int64? {
        if take("Z") || take("z") { return rest.isEmpty ? 0 : nil }
        let sign: Int64
        if take("+") { sign = 1 } else if take("-") { sign = -1 } else { return nil }
        guard let hour = digits(2), hour < 24, take(":"), let minute = digits(2), minute < 60, rest.isEmpty else {
            return nil
        }
        return sign * (hour * 3_600 + minute * 60)
    }

    private mutating func nanosecondsOfFraction() -> Int64? {
        var value: Int64 = 0
        var count = 0
        while let digit = digits(1) {
            if count < 9 { value = value * 10 + digit }
            count += 1
        }
        guard count > 0 else { return nil }
        for _ in 0..<max(0, 9 - count) { value *= 10 }
        return value
    }

    private mutating func digits(_ count: Int) -> Int64? {
        var value: Int64 = 0
        var left = rest
        for _ in 0..<count {
            guard let byte = left.popFirst(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            value = value * 10 + Int64(byte - UInt8(ascii: "0"))
        }
        rest = left
        return value
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: character) else { return false }
        rest.removeFirst()
        return true
    }

    /// Days since 1970-01-01; `nil` for a day that no calendar has (H. Hinnant, "chrono-compatible low-level date
    /// algorithms").
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64? {
        guard (1...12).contains(month), day >= 1 else { return nil }
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let lengths: [Int64] = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard day <= lengths[Int(month) - 1] else { return nil }
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted >= 0 ? shifted / 400 : (shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}
