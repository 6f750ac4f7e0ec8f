import StepAudit
import StepEvents
import TestSupport
import Testing

@Suite("Reading times")
struct TimestampReadingTests {
    @Test("Every time reads back as it was written")
    func roundTrip() throws {
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<20_000 {
            let milliseconds = Int64.random(in: -62_135_596_800_000...9_000_000_000_000, using: &generator)
            guard let time = nanoseconds(milliseconds) else { continue }
            #expect(Timestamp(iso8601: time.description) == time, "\(milliseconds), seed 5")
        }
    }

    private func nanoseconds(_ milliseconds: Int64) -> Timestamp? {
        let (product, overflow) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
        return overflow ? nil : Timestamp(nanoseconds: product)
    }

    @Test(
        "Forms that are understood",
        arguments: [
            ("1970-01-01", 0), ("1970-01-02", 86_400_000_000_000), ("1970-01-01T00:00:01Z", 1_000_000_000),
            ("1970-01-01T00:01Z", 60_000_000_000), ("1970-01-01T01:00:00+01:00", 0),
            ("1969-12-31T23:30:00-00:30", 0), ("1970-01-01T00:00:00.5Z", 500_000_000),
            ("1970-01-01T00:00:00.1234567891Z", 123_456_789), ("2000-02-29", 951_782_400_000_000_000),
        ])
    func forms(text: String, nanoseconds: Int64) {
        #expect(Timestamp(iso8601: text)?.nanoseconds == nanoseconds)
    }

    @Test(
        "Forms that are refused",
        arguments: [
            "", "yesterday", "1970", "1970-1-1", "1970-13-01", "1970-00-01", "1970-01-32", "1970-02-29", "1900-02-29",
            "1970-01-01T", "1970-01-01T00:00:00", "1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z",
            "1970-01-01T00:00:60Z", "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00Zulu", "1970-01-01T00:00:00+1:00",
            "1970-01-01 00:00:00Z", "9999-01-01", "0000-01-01", "19700101",
        ])
    func refused(text: String) {
        #expect(Timestamp(iso8601: text) == nil)
    }
}
