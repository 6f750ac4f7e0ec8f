/// Why the bytes of a record are not an event.
package struct RecordError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: Hashable, Sendable {
        /// Fewer bytes than a header has.
        case tooShort(Int)
        /// The checksum differs: the bytes changed after they were written, or they belong to another LSN.
        case checksum(expected: UInt32, found: UInt32)
        /// A kind or a flag of a newer format.
        case unknownKind(UInt8)
        case unknownFlags(UInt8)
        case malformed(kind: String, ByteReader.Problem)
        case impossible(String)
    }

    package var code: Code
    package var lsn: LSN
    package var run: RunNumber?

    package init(_ code: Code, lsn: LSN, run: RunNumber? = nil) {
        self.code = code
        self.lsn = lsn
        self.run = run
    }

    package var description: String {
        let place = run.map { "record \(lsn) of run \($0)" } ?? "record \(lsn)"
        return switch code {
        case .tooShort(let count): "\(place) has \(count) bytes, fewer than a header"
        case .checksum(let expected, let found):
            "\(place) fails its checksum (stored \(hex(expected)), computed \(hex(found)))"
        case .unknownKind(let kind): "\(place) is of kind \(kind), which this version does not know"
        case .unknownFlags(let flags): "\(place) has flags \(flags), which this version does not know"
        case .malformed(let kind, let problem): "\(place), \(kind), can't be decoded: \(problem)"
        case .impossible(let why): "\(place): \(why)"
        }
    }
}

private func hex(_ value: UInt32) -> String { "0x" + String(value, radix: 16) }
