/// Between events and the bytes of their records. `docs/FORMAT.md` describes the same byte by byte.
package enum RecordCodec {
    /// Appends the record of `event` to `writer`. The distance to the previous event and the checksum are left zero:
    /// only the writer of the log knows them; see ``stamp(_:lsn:previous:)``.
    package static func append(_ event: Event, to writer: inout ByteWriter) {
        writer.byte(event.kind.rawValue)
        writer.byte(0)
        writer.fixed(UInt16(0))
        writer.fixed(event.run.value)
        writer.fixed(event.sequence)
        writer.fixed(UInt32(0))
        writer.fixed(event.after.map { event.sequence - $0 } ?? 0)
        writer.time(event.time)
        writer.fixed(UInt32(0))
        PayloadCodec.append(event.body, sequence: event.sequence, to: &writer)
    }

    /// The record of `event` on its own, not yet stamped.
    package static func encode(_ event: Event) -> [UInt8] {
        var writer = ByteWriter(reserving: 128)
        append(event, to: &writer)
        return writer.bytes
    }

    /// Whether what was encoded for `event`, not yet stamped, is read back as it was.
    static func decodes(_ record: ArraySlice<UInt8>, as event: Event) -> Bool {
        let payload = record.dropFirst(RecordHeader.size)
        return (try? PayloadCodec.decode(event.kind, payload, sequence: event.sequence)) == event.body
    }

    /// Fills in what only the writer of the log knows: the distance to the previous event and the checksum.
    ///
    /// The distance must fit in 32 bits (see ``widened(_:distance:)`` for others); `more` are payload bytes kept outside
    /// the record, which the checksum covers too.
    package static func stamp(
        _ record: UnsafeMutableRawBufferPointer, lsn: LSN, distance: UInt32, more: UnsafeRawBufferPointer? = nil
    ) {
        if !RecordHeader.Flags(rawValue: record[RecordHeader.flagsOffset]).contains(.widePrevious) {
            record.storeBytes(of: distance.littleEndian, toByteOffset: RecordHeader.previousOffset, as: UInt32.self)
        }
        let crc = checksum(UnsafeRawBufferPointer(record), lsn: lsn, more: more)
        record.storeBytes(of: crc.littleEndian, toByteOffset: RecordHeader.crcOffset, as: UInt32.self)
    }

    /// The record with room for a distance that does not fit in 32 bits.
    package static func widened(_ record: ArraySlice<UInt8>, distance: UInt64) -> [UInt8] {
        var writer = ByteWriter(reserving: record.count + 8)
        writer.bytes.append(contentsOf: record.prefix(RecordHeader.size))
        writer.bytes[RecordHeader.flagsOffset] |= RecordHeader.Flags.widePrevious.rawValue
        writer.fixed(distance)
        writer.bytes.append(contentsOf: record.dropFirst(RecordHeader.size))
        return writer.bytes
    }

    /// The checksum of a record at `lsn`: over the LSN, the header up to the checksum, and all that follows it.
    package static func checksum(
        _ record: UnsafeRawBufferPointer, lsn: LSN, more: UnsafeRawBufferPointer? = nil
    ) -> UInt32 {
        var crc = CRC32C()
        crc.update(lsn.value)
        crc.update(UnsafeRawBufferPointer(rebasing: record[..<RecordHeader.crcOffset]))
        crc.update(UnsafeRawBufferPointer(rebasing: record[(RecordHeader.crcOffset + 4)...]))
        if let more { crc.update(more) }
        return crc.value
    }

    /// Reads the header of the record at `lsn`. Nothing in it may be believed before the checksum is verified, not even
    /// that a flag is one of a newer format.
    package static func header(of record: ArraySlice<UInt8>, lsn: LSN) throws(RecordError) -> RecordHeader {
        guard record.count >= RecordHeader.size else { throw RecordError(.tooShort(record.count), lsn: lsn) }
        var reader = ByteReader(record)
        do {
            var header = RecordHeader(
                kind: try reader.byte(), flags: RecordHeader.Flags(rawValue: try reader.byte()),
                keyID: try reader.fixed(), run: RunNumber(try reader.fixed()), sequence: try reader.fixed(),
                previousDistance: UInt64(try reader.fixed(UInt32.self)), afterDistance: try reader.fixed(),
                time: try reader.time(), crc: try reader.fixed())
            if header.flags.contains(.widePrevious) { header.previousDistance = try reader.fixed() }
            return header
        } catch {
            throw RecordError(.malformed(kind: "header", error), lsn: lsn)
        }
    }

    /// Verifies the record at `lsn` and returns its header; see ``decode(_:lsn:chunks:)``.
    package static func verifiedHeader(
        of record: ArraySlice<UInt8>, lsn: LSN, chunks: [UInt8]? = nil
    ) throws(RecordError) -> RecordHeader {
        let header = try header(of: record, lsn: lsn)
        let found = record.withUnsafeBytes { record in
            guard let chunks else { return checksum(record, lsn: lsn) }
            return chunks.withUnsafeBytes { checksum(record, lsn: lsn, more: $0) }
        }
        guard found == header.crc else {
            throw RecordError(.checksum(expected: header.crc, found: found), lsn: lsn, run: header.run)
        }
        guard header.flags.subtracting(.known).isEmpty else {
            throw RecordError(.unknownFlags(header.flags.rawValue), lsn: lsn, run: header.run)
        }
        return header
    }

    /// Verifies and decodes the record at `lsn`.
    ///
    /// `chunks` is the payload, where the header says that it is kept outside the record.
    package static func decode(
        _ record: ArraySlice<UInt8>, lsn: LSN, chunks: [UInt8]? = nil
    ) throws(RecordError) -> LoggedEvent {
        let header = try verifiedHeader(of: record, lsn: lsn, chunks: chunks)
        guard let kind = EventKind(rawValue: header.kind) else {
            throw RecordError(.unknownKind(header.kind), lsn: lsn, run: header.run)
        }
        guard header.previousDistance < lsn.value else {
            throw RecordError(.impossible("its previous event would stand before the log"), lsn: lsn, run: header.run)
        }
        guard header.afterDistance <= header.sequence else {
            throw RecordError(.impossible("it was asked for before the run began"), lsn: lsn, run: header.run)
        }
        do {
            let payload = chunks.map { $0[...] } ?? record.dropFirst(header.width)
            let body = try PayloadCodec.decode(kind, payload, sequence: header.sequence)
            let event = Event(
                run: header.run, sequence: header.sequence, time: header.time,
                after: header.afterDistance == 0 ? nil : header.sequence - header.afterDistance, body: body)
            let previous = header.previousDistance == 0 ? LSN.zero : LSN(lsn.value - header.previousDistance)
            return LoggedEvent(lsn: lsn, previous: previous, event: event)
        } catch {
            throw RecordError(.malformed(kind: kind.name, error), lsn: lsn, run: header.run)
        }
    }
}
