import StepEvents

/// The chain hash of one transaction: SHA-256 over the previous transaction's hash and over LSN, length and bytes of
/// each record, the commit record last (without its checksum and without this hash).
struct CommitChain {
    private var hash = SHA256()

    /// What stands before the first commit of a store.
    static let origin = [UInt8](repeating: 0, count: SHA256.size)

    /// Where the hash stands in a commit record: after its header and three integers.
    static let hashOffset = RecordHeader.size + 24

    init(previous: [UInt8]) { hash.update(previous) }

    mutating func add(_ lsn: LSN, _ record: UnsafeRawBufferPointer, more: UnsafeRawBufferPointer? = nil) {
        hash.update(lsn.value)
        hash.update(UInt32(record.count + (more?.count ?? 0)))
        hash.update(record)
        if let more { hash.update(more) }
    }

    mutating func finish(_ lsn: LSN, commitRecord record: UnsafeRawBufferPointer) -> [UInt8] {
        let payload = Self.hashOffset - RecordHeader.size
        hash.update(lsn.value)
        hash.update(UInt32(RecordHeader.crcOffset + payload))
        hash.update(UnsafeRawBufferPointer(rebasing: record[..<RecordHeader.crcOffset]))
        hash.update(UnsafeRawBufferPointer(rebasing: record[RecordHeader.size..<Self.hashOffset]))
        return hash.digest()
    }
}
