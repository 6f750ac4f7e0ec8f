import StepEvents

/// The keys of the tables. Integers stand big-endian, so that byte order is their order.
enum TableKey {
    enum Meta {
        static let format = Array("format".utf8)
        static let incarnation = Array("incarnation".utf8)
        static let epoch = Array("epoch".utf8)
        static let checkpoint = Array("checkpoint".utf8)
    }

    static func lsn(_ lsn: LSN) -> [UInt8] { integer(lsn.value) }
    static func run(_ run: RunNumber) -> [UInt8] { integer(run.value) }

    static func runID(_ id: RunID) -> [UInt8] {
        var key: [UInt8] = []
        key.reserveCapacity(16)
        append(id.high, to: &key)
        append(id.low, to: &key)
        return key
    }

    static func chunk(_ lsn: LSN, _ number: UInt32) -> [UInt8] {
        var key = integer(lsn.value)
        append(number, to: &key)
        return key
    }

    /// One byte says where the workflow ends: two texts at their bound and this byte are the longest key there is.
    static func runKey(workflow: String, key text: String) -> [UInt8] {
        let workflow = KeyText(workflow)
        var key = [UInt8(workflow.bytes.count)]
        key += workflow.bytes
        key += KeyText(text).bytes
        return key
    }

    static func timer(_ due: Timestamp, _ run: RunNumber, _ step: StepNumber) -> [UInt8] {
        var key = time(due)
        append(run.value, to: &key)
        append(step.sequence, to: &key)
        return key
    }

    /// When a kept signal runs out: run 0, and the LSN of the event that kept it.
    static func timer(_ due: Timestamp, kept lsn: LSN) -> [UInt8] {
        var key = time(due)
        append(RunNumber.store.value, to: &key)
        append(lsn.value, to: &key)
        return key
    }

    /// What tells waiters, kept signals and receipts apart in `signals`.
    enum SignalTag: UInt8, CaseIterable {
        case waiter = 1
        case kept = 2
        /// What became of a signal that was sent with an idempotency key.
        case receipt = 3
        /// The same receipts in the order of their times.
        case receiptTime = 4
        /// What became of a signal that a run sends.
        case delivery = 5
    }

    static func signal(_ tag: SignalTag, _ name: String) -> [UInt8] {
        let name = KeyText(name)
        var key = [tag.rawValue, UInt8(name.bytes.count)]
        key += name.bytes
        return key
    }

    static func waiter(_ signal: String, since: Timestamp, _ run: RunNumber, _ step: StepNumber) -> [UInt8] {
        var key = Self.signal(.waiter, signal)
        key += time(since)
        append(run.value, to: &key)
        append(step.sequence, to: &key)
        return key
    }

    static func receipt(_ name: ReceiptName) -> [UInt8] {
        switch name {
        case .key(let signal, let key): return Self.signal(.receipt, receiptText(signal, key))
        case .step(let run, let step):
            var bytes = [SignalTag.delivery.rawValue]
            append(run.value, to: &bytes)
            append(step.sequence, to: &bytes)
            return bytes
        }
    }

    /// The length says where the name ends and the key begins.
    static func receiptText(_ signal: String, _ key: String) -> String { "\(signal.utf8.count):\(signal)\(key)" }

    /// The place of a receipt, whose key is given, among the others.
    static func receiptTime(_ time: Timestamp, _ receipt: [UInt8]) -> [UInt8] {
        [SignalTag.receiptTime.rawValue] + Self.time(time) + receipt.dropFirst()
    }

    static func kept(_ signal: String, keptAt: Timestamp) -> [UInt8] { Self.signal(.kept, signal) + time(keptAt) }

    /// The sign bit is flipped, so that times before 1970 come first.
    static func time(_ time: Timestamp) -> [UInt8] {
        integer(UInt64(bitPattern: time.nanoseconds) ^ 1 << 63)
    }

    static func integer<Integer: FixedWidthInteger & UnsignedInteger>(_ value: Integer) -> [UInt8] {
        var key: [UInt8] = []
        key.reserveCapacity(Integer.bitWidth / 8)
        append(value, to: &key)
        return key
    }

    static func append<Integer: FixedWidthInteger & UnsignedInteger>(_ value: Integer, to key: inout [UInt8]) {
        withUnsafeBytes(of: value.bigEndian) { key.append(contentsOf: $0) }
    }
}

/// User text as it stands in a key: as it is up to 254 bytes; longer text as 223 bytes and a SHA-256 of the whole.
/// So 255 bytes always mean shortened text, and no text can pass for another's short form.
struct KeyText {
    let bytes: [UInt8]
    let isShortened: Bool

    init(_ text: String) {
        let utf8 = Array(text.utf8)
        isShortened = utf8.count >= Limits.keyTextBytes
        bytes = isShortened ? Array(utf8.prefix(Limits.keyTextPrefixBytes)) + SHA256.of(utf8) : utf8
    }
}

/// Reads keys.
struct KeyReader {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var left: Int { bytes.count - position }

    mutating func integer<Integer: FixedWidthInteger & UnsignedInteger>(_ type: Integer.Type = Integer.self) -> Integer?
    {
        let width = Integer.bitWidth / 8
        guard left >= width else { return nil }
        defer { position += width }
        return Integer(bigEndian: bytes.loadUnaligned(fromByteOffset: position, as: Integer.self))
    }

    mutating func time() -> Timestamp? {
        integer(UInt64.self).map { Timestamp(nanoseconds: Int64(bitPattern: $0 ^ 1 << 63)) }
    }

    mutating func raw(_ count: Int) -> [UInt8]? {
        guard left >= count else { return nil }
        defer { position += count }
        return Array(bytes[position..<position + count])
    }
}
