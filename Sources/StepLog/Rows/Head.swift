package import StepEvents

/// Where the last event of a run is.
package struct Head: Hashable, Sendable {
    package var lsn: LSN
    package var sequence: UInt32
    /// The run's first event.
    package var first: LSN

    package init(lsn: LSN, sequence: UInt32, first: LSN) {
        self.lsn = lsn
        self.sequence = sequence
        self.first = first
    }
}

/// The heads of the runs whose rows are stale, complete up to an LSN.
struct HeadIndex: Hashable, Sendable {
    var through: LSN = .zero
    var stale: [RunNumber: Head] = [:]

    // MARK: Bytes of the checkpoint

    func encoded() -> [UInt8] {
        var writer = ByteWriter(reserving: 16 + stale.count * 28)
        writer.fixed(UInt32(0))
        writer.fixed(through.value)
        writer.fixed(UInt32(stale.count))
        for (run, head) in stale.sorted(by: { $0.key < $1.key }) {
            writer.fixed(run.value)
            writer.fixed(head.lsn.value)
            writer.fixed(head.first.value)
            writer.fixed(head.sequence)
        }
        let crc = CRC32C.of(Array(writer.bytes[4...]))
        withUnsafeBytes(of: crc.littleEndian) { writer.bytes.replaceSubrange(0..<4, with: $0) }
        return writer.bytes
    }

    static func decode(_ bytes: [UInt8]) throws(StoreError) -> HeadIndex {
        do {
            var reader = ByteReader(bytes)
            let crc = try reader.fixed(UInt32.self)
            guard bytes.count > 4, CRC32C.of(Array(bytes[4...])) == crc else {
                throw StoreError(.damaged, "the checkpoint fails its checksum", table: .meta)
            }
            var index = HeadIndex(through: LSN(try reader.fixed()))
            for _ in 0..<(try reader.fixed(UInt32.self)) {
                let run = RunNumber(try reader.fixed())
                let lsn = LSN(try reader.fixed())
                let first = LSN(try reader.fixed())
                index.stale[run] = Head(lsn: lsn, sequence: try reader.fixed(), first: first)
            }
            try reader.finish()
            return index
        } catch let error as StoreError {
            throw error
        } catch {
            throw StoreError(.damaged, "the checkpoint can't be decoded: \(error)", table: .meta)
        }
    }
}
