import StepEvents
import TestSupport
import Testing

@Suite("The bytes of a record")
struct RecordCodecTests {
    @Test("Every kind of event comes back as it was", arguments: SampleEvents.all)
    func roundTrip(event: Event) throws {
        let logged = try RecordCodec.decode(stampedRecord(event)[...], lsn: LSN(100))
        #expect(logged == LoggedEvent(lsn: LSN(100), previous: LSN(90), event: event))
    }

    @Test("The samples have every kind")
    func samples() {
        #expect(Set(SampleEvents.all.map(\.kind)) == Set(EventKind.allCases))
    }

    @Test("A record at another LSN, or with any bit flipped, is refused", arguments: SampleEvents.all)
    func flipped(event: Event) throws {
        let record = stampedRecord(event)
        #expect(throws: RecordError.self) { try RecordCodec.decode(record[...], lsn: LSN(101)) }
        for bit in 0..<record.count * 8 {
            var flipped = record
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            let error = #expect(throws: RecordError.self) { try RecordCodec.decode(flipped[...], lsn: LSN(100)) }
            switch error?.code {
            case .checksum, .malformed: break
            case let code: Issue.record("bit \(bit): \(String(describing: code)) would blame a newer version or us")
            }
        }
    }

    @Test("Only a flag and a kind under a right checksum are those of a newer format")
    func newer() throws {
        for (offset, code) in [(0, RecordError.Code.unknownKind(200)), (RecordHeader.flagsOffset, .unknownFlags(200))] {
            var record = stampedRecord(SampleEvents.all[0])
            record[offset] = 200
            let damage = #expect(throws: RecordError.self) { try RecordCodec.decode(record[...], lsn: LSN(100)) }
            guard case .checksum = damage?.code else {
                Issue.record("\(String(describing: damage))")
                continue
            }
            record.withUnsafeMutableBytes { RecordCodec.stamp($0, lsn: LSN(100), distance: 10) }
            let error = #expect(throws: RecordError.self) { try RecordCodec.decode(record[...], lsn: LSN(100)) }
            #expect(error?.code == code)
        }
    }

    @Test("Every number that no kind has is refused, those next to our kinds too")
    func unknownKinds() throws {
        let unknown = (UInt8.min...UInt8.max).filter { EventKind(rawValue: $0) == nil }
        #expect(unknown.count == 256 - EventKind.allCases.count)
        for kind in unknown {
            var record = stampedRecord(SampleEvents.all[0])
            record[0] = kind
            record.withUnsafeMutableBytes { RecordCodec.stamp($0, lsn: LSN(100), distance: 10) }
            let error = #expect(throws: RecordError.self) { try RecordCodec.decode(record[...], lsn: LSN(100)) }
            #expect(error?.code == .unknownKind(kind))
        }
    }

    @Test("Hostile bytes with a right checksum give an error or an event that encodes to the same bytes")
    func hostile() throws {
        var generator = SeededGenerator(seed: 20_260_301)
        var decoded = 0
        for _ in 0..<20_000 {
            let sample = SampleEvents.all[generator.below(SampleEvents.all.count)]
            var record = stampedRecord(sample)
            for _ in 0...generator.below(3) {
                switch generator.below(3) {
                case 0: record[generator.below(record.count)] = UInt8(generator.below(256))
                case 1 where record.count > RecordHeader.size: record.removeLast(generator.below(record.count - 36) + 1)
                default: record += generator.bytes(generator.below(5))
                }
                if record.count < RecordHeader.size { break }
            }
            record[RecordHeader.flagsOffset] = 0
            record.withUnsafeMutableBytes { RecordCodec.stamp($0, lsn: LSN(100), distance: 10) }
            guard let logged = try? RecordCodec.decode(record[...], lsn: LSN(100)) else { continue }
            decoded += 1
            // The id of an encryption key is not part of an event, and numbers may stand in more bytes than needed.
            #expect(try RecordCodec.decode(stampedRecord(logged.event)[...], lsn: LSN(100)).event == logged.event)
        }
        #expect(decoded > 1_000, "most hostile bytes only change what an event says")
    }

    @Test("A widened record keeps its distance and its event")
    func widened() throws {
        let event = SampleEvents.all[10]
        let lsn = LSN(1 << 40)
        let distance: UInt64 = 1 << 39
        var record = RecordCodec.widened(RecordCodec.encode(event)[...], distance: distance)
        record.withUnsafeMutableBytes { RecordCodec.stamp($0, lsn: lsn, distance: 0) }
        let logged = try RecordCodec.decode(record[...], lsn: lsn)
        #expect(logged == LoggedEvent(lsn: lsn, previous: LSN(distance), event: event))
    }

    @Test("CRC-32C is the one of RFC 3720")
    func checksum() {
        // RFC 3720, appendix B.4.
        #expect(CRC32C.of([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(CRC32C.of([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(CRC32C.of((0..<32).map { UInt8($0) }) == 0x46DD_794E)
        #expect(CRC32C.of(Array("123456789".utf8)) == 0xE306_9283)
    }

    @Test("The limits fit one another")
    func limits() { #expect(Limits.areConsistent) }

    @Test("A batch holds its events in order, and joins with another")
    func batches() throws {
        var first = EventBatch()
        var second = EventBatch()
        for event in SampleEvents.all.prefix(5) { first.append(event) }
        for event in SampleEvents.all.dropFirst(5) { second.append(event) }
        first.append(second)
        #expect(first.count == SampleEvents.all.count)
        var start = 0
        for (entry, event) in zip(first.entries, SampleEvents.all) {
            #expect(entry.kind == event.kind)
            #expect(entry.run == event.run)
            #expect(Array(first.bytes[start..<entry.end]) == RecordCodec.encode(event))
            start = entry.end
        }
    }
}
