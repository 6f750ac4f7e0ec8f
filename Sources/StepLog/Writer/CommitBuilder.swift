import StepEvents
import StepLocks

/// The end of the log.
struct LogPosition: Hashable, Sendable {
    /// The last record, which is a commit record; zero when the log is empty.
    var last: LSN
    /// The chain hash in it.
    var chain: [UInt8]
    var time: Timestamp

    static let start = LogPosition(last: .zero, chain: CommitChain.origin, time: Timestamp(nanoseconds: .min))
}

/// Writes one transaction of the log: LSNs, back-chains, checksums, the chain hash and the derived rows.
///
/// It decides nothing. What it learns stays in a scratch map until ``publish(_:)``, so that an aborted transaction
/// leaves no trace and is written anew from the same commands.
///
/// Used by one thread at a time, the store's writer; only ``heads`` is shared.
final class CommitBuilder {
    let incarnation: UInt64
    private let epoch: UInt64
    private(set) var position: LogPosition
    let heads: SharedHeads

    /// The LSN of the last event of each command of the transaction just written.
    private(set) var ends: [LSN] = []
    /// How many events it has.
    private(set) var events = 0
    private var scratch: [RunNumber: Head] = [:]
    private var rows = RowChanges()
    private var lsn: LSN = .zero
    private var chain = CommitChain(previous: CommitChain.origin)

    init(incarnation: UInt64, epoch: UInt64, position: LogPosition, heads: SharedHeads) {
        self.incarnation = incarnation
        self.epoch = epoch
        self.position = position
        self.heads = heads
    }

    /// Writes the commands and the commit record, without committing.
    ///
    /// - Throws: `TablesError`, or `StoreError` for a fenced store and for events that break the log's invariants.
    func write(
        _ commands: ArraySlice<Command>, to tables: any WriteTables, now: Timestamp, checkpoint: Bool
    ) throws -> LogPosition {
        guard try tables.metaNumber(TableKey.Meta.epoch) == epoch else {
            throw StoreError(.fenced, "another engine has opened the store since")
        }
        begin()
        for command in commands {
            let first = lsn.next
            try append(command.batch, to: tables)
            for change in command.changes { try rows.apply(change, firstLSN: first, to: tables) }
            ends.append(lsn)
            events += command.batch.count
        }
        try rows.writeRows(to: tables) { run throws(TablesError) in
            guard let head = scratch[run] else {
                throw TablesError(.fatal, "a row of run \(run) was changed without an event of the run")
            }
            return head
        }
        let record = lsn.next
        if checkpoint { try tables.put(.meta, TableKey.Meta.checkpoint, headsAfter(record).encoded()) }
        return try appendCommitRecord(at: record, to: tables, now: now)
    }

    /// Writes only what `changes` does and a commit record.
    func write(
        to tables: any WriteTables, now: Timestamp, changes: (any WriteTables) throws -> Void
    ) throws -> LogPosition {
        begin()
        try changes(tables)
        return try appendCommitRecord(at: lsn.next, to: tables, now: now)
    }

    /// Nothing to write: what came before these commands is durable already.
    func acknowledgeBarriers(_ count: Int) {
        begin()
        ends = Array(repeating: position.last, count: count)
    }

    /// Makes the transaction just written the past: its commit has returned.
    func publish(_ position: LogPosition) {
        self.position = position
        heads.update { index in
            for (run, head) in scratch { index.stale[run] = head }
            for run in rows.runs { index.stale[run] = nil }
            index.through = position.last
        }
    }

    private func begin() {
        ends.removeAll(keepingCapacity: true)
        scratch.removeAll(keepingCapacity: true)
        rows.removeAll()
        events = 0
        lsn = position.last
        chain = CommitChain(previous: position.chain)
    }

    // MARK: Records

    private func append(_ batch: EventBatch, to tables: any WriteTables) throws {
        try batch.bytes.withUnsafeBytes { bytes in
            var start = 0
            for entry in batch.entries {
                let record = UnsafeRawBufferPointer(rebasing: bytes[start..<entry.end])
                start = entry.end
                lsn = lsn.next
                let previous = try advanceHead(to: entry, tables)
                let distance = previous == .zero ? 0 : lsn.value - previous.value
                if record.count - RecordHeader.size > Limits.inlinePayloadBytes {
                    try appendChunked(record, distance, to: tables)
                } else if let narrow = UInt32(exactly: distance) {
                    try append(record, distance: narrow, to: tables)
                } else {
                    let wide = RecordCodec.widened([UInt8](record)[...], distance: distance)
                    try wide.withUnsafeBytes { try append($0, distance: 0, to: tables) }
                }
            }
        }
    }

    /// Notes the event as its run's last one, and returns the LSN of the one before.
    private func advanceHead(to entry: EventBatch.Entry, _ tables: any WriteTables) throws -> LSN {
        guard entry.run != .store else { return position.last }
        guard var head = try head(of: entry.run, tables) else {
            guard entry.sequence == 0 else { throw broken(entry, "the run's first event must have sequence 0") }
            scratch[entry.run] = Head(lsn: lsn, sequence: 0, first: lsn)
            return .zero
        }
        guard entry.sequence == head.sequence &+ 1 else {
            throw broken(entry, "the run's next event must have sequence \(head.sequence &+ 1)")
        }
        let previous = head.lsn
        head.lsn = lsn
        head.sequence = entry.sequence
        scratch[entry.run] = head
        return previous
    }

    private func head(of run: RunNumber, _ tables: any WriteTables) throws -> Head? {
        if let head = scratch[run] { return head }
        if let head = heads.stale(run) { return head }
        guard let row = try tables.get(.runs, TableKey.run(run)) else { return nil }
        return try RunRow.head(of: row, run: run)
    }

    private func append(_ record: UnsafeRawBufferPointer, distance: UInt32, to tables: any WriteTables) throws {
        let lsn = lsn
        try withUnsafeBytes(of: lsn.value.bigEndian) { key in
            try tables.append(.log, key, count: record.count) { target in
                target.copyMemory(from: record)
                RecordCodec.stamp(target, lsn: lsn, distance: distance)
                chain.add(lsn, UnsafeRawBufferPointer(target))
            }
        }
    }

    /// The record holds the header and the payload's length; the payload stands in `blobs`.
    private func appendChunked(
        _ record: UnsafeRawBufferPointer, _ distance: UInt64, to tables: any WriteTables
    ) throws {
        let lsn = lsn
        let payload = UnsafeRawBufferPointer(rebasing: record[RecordHeader.size...])
        var short = [UInt8](record[..<RecordHeader.size])
        withUnsafeBytes(of: UInt32(payload.count).littleEndian) { short.append(contentsOf: $0) }
        short[RecordHeader.flagsOffset] |= RecordHeader.Flags.chunked.rawValue
        let narrow = UInt32(exactly: distance)
        if narrow == nil { short = RecordCodec.widened(short[...], distance: distance) }
        try withUnsafeBytes(of: lsn.value.bigEndian) { key in
            try tables.append(.log, key, count: short.count) { target in
                target.copyBytes(from: short)
                RecordCodec.stamp(target, lsn: lsn, distance: narrow ?? 0, more: payload)
                chain.add(lsn, UnsafeRawBufferPointer(target), more: payload)
            }
        }
        var number: UInt32 = 0
        for start in stride(from: 0, to: payload.count, by: Limits.chunkBytes) {
            let chunk = UnsafeRawBufferPointer(rebasing: payload[start..<min(start + Limits.chunkBytes, payload.count)])
            try TableKey.chunk(lsn, number).withUnsafeBytes { key in
                try tables.append(.blobs, key, count: chunk.count) { $0.copyMemory(from: chunk) }
            }
            number += 1
        }
    }

    private func appendCommitRecord(
        at record: LSN, to tables: any WriteTables, now: Timestamp
    ) throws -> LogPosition {
        let first = position.last.next
        let time = max(now, position.time)
        let body = CommitRecord(
            transaction: tables.transactionID, incarnation: incarnation, first: first, chain: CommitChain.origin)
        var bytes = RecordCodec.encode(Event(run: .store, sequence: 0, time: time, body: .commitRecord(body)))
        // Commit records are never so far apart that the distance would not fit: a transaction is bounded.
        let distance = position.last == .zero ? 0 : UInt32(clamping: record.value - position.last.value)
        bytes.withUnsafeMutableBytes { RecordCodec.stamp($0, lsn: record, distance: distance) }
        let hash = bytes.withUnsafeBytes { chain.finish(record, commitRecord: $0) }
        bytes.replaceSubrange(CommitChain.hashOffset..<CommitChain.hashOffset + hash.count, with: hash)
        bytes.withUnsafeMutableBytes { RecordCodec.stamp($0, lsn: record, distance: distance) }
        try withUnsafeBytes(of: record.value.bigEndian) { key in
            try tables.append(.log, key, count: bytes.count) { $0.copyBytes(from: bytes) }
        }
        return LogPosition(last: record, chain: hash, time: time)
    }

    private func headsAfter(_ record: LSN) -> HeadIndex {
        var index = heads.snapshot()
        for (run, head) in scratch { index.stale[run] = head }
        for run in rows.runs { index.stale[run] = nil }
        index.through = record
        return index
    }

    private func broken(_ entry: EventBatch.Entry, _ why: String) -> StoreError {
        StoreError(
            .invariantBroken, "\(entry.kind.name) has sequence \(entry.sequence), but \(why)", lsn: lsn,
            run: entry.run, table: .log)
    }
}

/// The heads of runs whose rows are stale, as of the last commit; written by the log's writer, read by all.
final class SharedHeads: Sendable {
    private let index: Locked<HeadIndex>

    init(_ index: HeadIndex) { self.index = Locked(index) }

    func stale(_ run: RunNumber) -> Head? { index.withLock { $0.stale[run] } }

    /// The head if the run's row is stale, and up to where that is the whole truth.
    func lookUp(_ run: RunNumber) -> (head: Head?, through: LSN) { index.withLock { ($0.stale[run], $0.through) } }

    func snapshot() -> HeadIndex { index.withLock { $0 } }

    func update(_ body: (inout HeadIndex) -> Void) { index.withLock { body(&$0) } }

    func replace(_ body: (HeadIndex) throws -> HeadIndex) throws {
        try index.withLock { $0 = try body($0) }
    }
}
