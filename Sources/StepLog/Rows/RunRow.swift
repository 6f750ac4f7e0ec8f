package import StepEvents

/// What the table `runs` keeps of a run. Everything but `head` follows from the run's state.
package struct RunRow: Hashable, Sendable {
    /// An error, shortened to what a list shows.
    package struct FailureSummary: Hashable, Sendable {
        package var type: String
        package var message: String

        package init(type: String, message: String) {
            self.type = type
            self.message = message
        }
    }

    package var number: RunNumber
    package var id: RunID
    package var workflow: String
    package var version: UInt32
    package var status: RunStatus
    /// Whether it needs neither its code nor an engine that has read its history until what it waits for comes.
    package var isAtRest: Bool
    package var key: String?
    package var parent: RunID?
    package var startedAt: Timestamp
    /// When the row was last rewritten.
    package var updatedAt: Timestamp
    package var finishedAt: Timestamp?
    package var attempt: UInt32
    package var failure: FailureSummary?
    package var cancel: RunCancelRequested?
    /// The run's last event when this row was written; later ones are found through the checkpoint.
    package var head: LSN
    /// The sequence of the event at `head`.
    package var headSequence: UInt32
    package var first: LSN

    /// The longest text of a failure or a cancellation in a row, in bytes of UTF-8.
    package static let summaryBytes = 1 << 10

    package init(_ state: RunState) {
        number = state.run
        id = state.start.id
        workflow = state.start.workflow
        version = state.start.version
        status = state.status
        isAtRest = state.isAtRest
        key = state.start.key
        parent = state.start.parent?.id
        startedAt = state.startedAt
        updatedAt = state.lastTime
        finishedAt = state.status.isFinal ? state.lastTime : nil
        attempt = state.attempt
        failure = state.failure.map {
            FailureSummary(type: cut($0.type), message: cut($0.message))
        }
        cancel = state.cancel.map { RunCancelRequested(by: cut($0.by), reason: cut($0.reason)) }
        head = .zero
        headSequence = 0
        first = .zero
    }

    // MARK: Bytes

    static let headOffset = 4
    /// The checksum and the head stand in front, at fixed places.
    static let fixedBytes = 24

    func encoded() -> [UInt8] {
        var writer = ByteWriter(reserving: 128)
        writer.fixed(UInt32(0))
        writer.fixed(head.value)
        writer.fixed(first.value)
        writer.fixed(headSequence)
        writer.byte(status.rawValue)
        writer.byte(isAtRest ? 1 : 0)
        writer.fixed(attempt)
        PayloadCodec.append(id, to: &writer)
        writer.time(startedAt)
        writer.time(updatedAt)
        writer.optional(finishedAt) { $0.time($1) }
        writer.varint(version)
        writer.text(workflow)
        writer.optional(key) { $0.text($1) }
        writer.optional(parent) { PayloadCodec.append($1, to: &$0) }
        writer.optional(failure) { writer, failure in
            writer.text(failure.type)
            writer.text(failure.message)
        }
        writer.optional(cancel) { writer, cancel in
            writer.text(cancel.by)
            writer.text(cancel.reason)
        }
        let crc = Self.checksum(writer.bytes, number)
        withUnsafeBytes(of: crc.littleEndian) { writer.bytes.replaceSubrange(0..<4, with: $0) }
        return writer.bytes
    }

    /// Reads only where the run's events are.
    static func head(of bytes: [UInt8], run: RunNumber) throws(StoreError) -> Head {
        var reader = ByteReader(bytes)
        do {
            try check(bytes, run)
            _ = try reader.fixed(UInt32.self)
            let head = LSN(try reader.fixed())
            let first = LSN(try reader.fixed())
            return Head(lsn: head, sequence: try reader.fixed(), first: first)
        } catch let problem as ByteReader.Problem {
            throw damaged("\(problem)", run)
        } catch let error as StoreError {
            throw error
        } catch {
            throw damaged("\(error)", run)
        }
    }

    static func decode(_ bytes: [UInt8], run: RunNumber) throws(StoreError) -> RunRow {
        try check(bytes, run)
        do {
            return try RunRow(bytes, run)
        } catch {
            throw damaged("\(error)", run)
        }
    }

    private init(_ bytes: [UInt8], _ run: RunNumber) throws(ByteReader.Problem) {
        var reader = ByteReader(bytes)
        _ = try reader.fixed(UInt32.self)
        number = run
        head = LSN(try reader.fixed())
        first = LSN(try reader.fixed())
        headSequence = try reader.fixed()
        let rawStatus = try reader.byte()
        guard let status = RunStatus(rawValue: rawStatus) else {
            throw .unknown(what: "status", value: UInt64(rawStatus))
        }
        self.status = status
        let rest = try reader.byte()
        guard rest <= 1 else { throw .unknown(what: "rest", value: UInt64(rest)) }
        isAtRest = rest == 1
        attempt = try reader.fixed()
        id = try PayloadCodec.runID(&reader)
        startedAt = try reader.time()
        updatedAt = try reader.time()
        finishedAt = try reader.optional { reader throws(ByteReader.Problem) in try reader.time() }
        version = try reader.varint32("version")
        workflow = try reader.text("workflow", limit: Limits.idBytes)
        key = try reader.optional { reader throws(ByteReader.Problem) in
            try reader.text("run key", limit: Limits.idBytes)
        }
        parent = try reader.optional { reader throws(ByteReader.Problem) in try PayloadCodec.runID(&reader) }
        failure = try reader.optional { reader throws(ByteReader.Problem) in
            FailureSummary(
                type: try reader.text("error type", limit: Self.summaryBytes),
                message: try reader.text("error message", limit: Self.summaryBytes))
        }
        cancel = try reader.optional { reader throws(ByteReader.Problem) in
            RunCancelRequested(
                by: try reader.text("canceller", limit: Self.summaryBytes),
                reason: try reader.text("reason", limit: Self.summaryBytes))
        }
        try reader.finish()
    }

    private static func check(_ bytes: [UInt8], _ run: RunNumber) throws(StoreError) {
        guard bytes.count >= fixedBytes else { throw damaged("the row has \(bytes.count) bytes", run) }
        let stored = UInt32(bytes[0]) | UInt32(bytes[1]) << 8 | UInt32(bytes[2]) << 16 | UInt32(bytes[3]) << 24
        guard stored == checksum(bytes, run) else { throw damaged("the row fails its checksum", run) }
    }

    /// Over the run number and all that follows the checksum.
    private static func checksum(_ bytes: [UInt8], _ run: RunNumber) -> UInt32 {
        var crc = CRC32C()
        crc.update(run.value)
        bytes.withUnsafeBytes { crc.update(UnsafeRawBufferPointer(rebasing: $0[headOffset...])) }
        return crc.value
    }

    private static func damaged(_ what: String, _ run: RunNumber) -> StoreError {
        StoreError(.damaged, what, run: run, table: .runs)
    }
}

private func cut(_ text: String) -> String { text.cut(toBytes: RunRow.summaryBytes) }
