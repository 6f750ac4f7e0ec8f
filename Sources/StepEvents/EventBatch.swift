/// Encoded events of one or more runs that become durable together or not at all, in this order.
///
/// One buffer for all of them, since every commit of every run passes through here.
package struct EventBatch: Sendable {
    package struct Entry: Sendable {
        package var run: RunNumber
        package var sequence: UInt32
        package var kind: EventKind
        /// Where the record ends in `bytes`; it starts where the previous one ends.
        package var end: Int
    }

    package private(set) var bytes: [UInt8] = []
    package private(set) var entries: [Entry] = []

    package init() {}

    package var isEmpty: Bool { entries.isEmpty }
    package var count: Int { entries.count }

    package mutating func append(_ event: Event) {
        if bytes.isEmpty {
            // A turn of a run seldom brings more than an outcome and a start.
            bytes.reserveCapacity(512)
            entries.reserveCapacity(4)
        }
        var writer = ByteWriter(appendingTo: bytes)
        bytes = []
        RecordCodec.append(event, to: &writer)
        bytes = writer.bytes
        assert(RecordCodec.decodes(bytes[(entries.last?.end ?? 0)...], as: event), "\(event) can't be read back")
        entries.append(Entry(run: event.run, sequence: event.sequence, kind: event.kind, end: bytes.count))
    }

    package mutating func append(_ other: EventBatch) {
        if isEmpty {
            self = other
            return
        }
        let offset = bytes.count
        bytes += other.bytes
        entries += other.entries.map { entry in
            var entry = entry
            entry.end += offset
            return entry
        }
    }
}
