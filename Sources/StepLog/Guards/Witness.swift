import StepEvents

/// What the witness says: how far the store had come when it was last written.
struct Witness: Hashable, Sendable {
    static let slotBytes = 512
    private static let magic = Array("STEPWIT\0".utf8)
    private static let version: UInt16 = 1

    /// Grows with every write; the slot is its parity, so the newest whole one survives a torn write.
    var counter: UInt64
    var incarnation: UInt64
    /// The last acknowledged commit record.
    var lsn: LSN
    var chain: [UInt8]
    var time: Timestamp
    /// Whether the store was closed in order after this.
    var isClean: Bool

    var offset: Int { Int(counter % 2) * Self.slotBytes }

    func encoded() -> [UInt8] {
        var writer = ByteWriter(reserving: Self.slotBytes)
        writer.bytes += Self.magic
        writer.fixed(Self.version)
        writer.fixed(UInt16(isClean ? 1 : 0))
        writer.fixed(counter)
        writer.fixed(incarnation)
        writer.fixed(lsn.value)
        writer.time(time)
        writer.bytes += chain
        writer.bytes += [UInt8](repeating: 0, count: Self.slotBytes - 4 - writer.bytes.count)
        writer.fixed(CRC32C.of(writer.bytes))
        return writer.bytes
    }

    /// The newest whole slot; `nil` when there is none.
    static func newest(in bytes: [UInt8]) -> Witness? {
        [0, slotBytes].compactMap { start in
            bytes.count >= start + slotBytes ? decode(bytes[start..<start + slotBytes]) : nil
        }.max { $0.counter < $1.counter }
    }

    private static func decode(_ slot: ArraySlice<UInt8>) -> Witness? {
        guard slot.starts(with: magic) else { return nil }
        var reader = ByteReader(slot.dropFirst(magic.count))
        guard let version = try? reader.fixed(UInt16.self), version == Self.version,
            let flags = try? reader.fixed(UInt16.self), let counter = try? reader.fixed(UInt64.self),
            let incarnation = try? reader.fixed(UInt64.self), let lsn = try? reader.fixed(UInt64.self),
            let time = try? reader.time(), let chain = try? reader.raw(SHA256.size)
        else { return nil }
        let crc = slot.suffix(4).enumerated().reduce(UInt32(0)) { $0 | UInt32($1.element) << UInt32($1.offset * 8) }
        guard CRC32C.of(Array(slot.dropLast(4))) == crc else { return nil }
        return Witness(
            counter: counter, incarnation: incarnation, lsn: LSN(lsn), chain: chain, time: time,
            isClean: flags & 1 == 1)
    }

    /// Compares the witness with the store it stands beside. Throws unless the store holds all that the witness saw.
    /// `isUnused` says whether the log holds nothing that could have been acknowledged.
    static func check(
        _ witness: Witness?, incarnation: UInt64, last: LSN, isUnused: () throws -> Bool,
        commit: (LSN) throws -> CommitRecord?
    ) throws {
        guard let witness else {
            // Opening commits once and then writes the witness; only then is anything else accepted. Crashes in
            // between leave openings alone.
            guard try isUnused() else {
                throw StoreError(
                    .rolledBack(lost: nil),
                    "the witness is missing or damaged, so no one can say whether acknowledged"
                        + " records are gone")
            }
            return
        }
        guard witness.incarnation == incarnation else {
            throw StoreError(
                .rolledBack(lost: nil),
                "the witness beside the database belongs to another life of the store: a copy"
                    + " or an old backup was put here")
        }
        guard witness.lsn <= last else {
            let lost = witness.lsn.value - last.value
            throw StoreError(
                .rolledBack(lost: lost),
                "record \(witness.lsn) was acknowledged at \(witness.time), but the log ends"
                    + " at \(last): \(lost) records are gone", lsn: last)
        }
        guard let record = try commit(witness.lsn), record.chain == witness.chain else {
            throw StoreError(
                .rolledBack(lost: nil),
                "the log holds other records before \(witness.lsn) than were acknowledged at"
                    + " \(witness.time)", lsn: witness.lsn)
        }
    }
}
