/// The fixed head of every record in the log, 36 bytes, little-endian:
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 1 | kind |
/// | 1 | 1 | flags |
/// | 2 | 2 | id of the key that encrypted the payload; 0 for none |
/// | 4 | 8 | run number |
/// | 12 | 4 | sequence in the run |
/// | 16 | 4 | distance in LSNs to the run's previous event; 0 for the first |
/// | 20 | 4 | distance in sequences to `after`; 0 for none |
/// | 24 | 8 | time, ns since 1970 |
/// | 32 | 4 | CRC-32C over the LSN (8 bytes), bytes 0–31 and all that follows the checksum |
///
/// With `widePrevious` set, the distance to the previous event stands in 8 bytes after the checksum, and bytes 16–19
/// are zero. `after` counts sequences, not LSNs: the run knows its own sequence numbers when it accepts an event, and
/// they stay right when compaction or a fork moves the record.
package struct RecordHeader: Hashable, Sendable {
    package struct Flags: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static let widePrevious = Flags(rawValue: 1 << 0)
        /// The payload stands in chunks outside the record; the record holds its length.
        package static let chunked = Flags(rawValue: 1 << 1)
        package static let known: Flags = [.widePrevious, .chunked]
    }

    package static let size = 36
    package static let crcOffset = 32
    package static let previousOffset = 16
    package static let flagsOffset = 1

    package var kind: UInt8
    package var flags: Flags
    package var keyID: UInt16
    package var run: RunNumber
    package var sequence: UInt32
    package var previousDistance: UInt64
    package var afterDistance: UInt32
    package var time: Timestamp
    package var crc: UInt32

    /// The bytes that stand before the payload.
    package var width: Int { flags.contains(.widePrevious) ? Self.size + 8 : Self.size }
}
