package import StepCore
package import StepEvents

/// What a client asks an engine for. `docs/FORMAT.md` describes the bytes.
package enum SocketRequest: Sendable {
    case start(StartRequest)
    case result(RunID)
    case find(workflow: String, key: String)
    case describe(RunID)
    case cancel(RunID, by: String, reason: String)
    case signal(SignalRequest)
    /// The client no longer waits for the answer to that request.
    case abandon(UInt64)

    private typealias Problem = ByteReader.Problem

    private enum Operation: UInt8 {
        case start = 1
        case result, find, describe, cancel, signal, abandon
    }

    /// Whether only waiting is done for it, which is called off without effect.
    var isWait: Bool { if case .result = self { true } else { false } }

    /// What it is called in errors.
    var name: String {
        switch self {
        case .start: "starting a run"
        case .result: "waiting for a result"
        case .find: "finding a run"
        case .describe: "describing a run"
        case .cancel: "cancelling a run"
        case .signal: "sending a signal"
        case .abandon: "ending a wait"
        }
    }

    // MARK: Bytes

    /// The request as the body of a frame.
    func encoded(id: UInt64) -> [UInt8] {
        var writer = ByteWriter(reserving: 64)
        writer.varint(id)
        switch self {
        case .start(let start):
            writer.byte(Operation.start.rawValue)
            writer.text(start.workflow)
            writer.varint(start.version)
            writer.optional(start.key) { $0.text($1) }
            writer.byte(start.ifExists.code)
            writer.data(start.input.bytes)
        case .result(let run):
            writer.byte(Operation.result.rawValue)
            PayloadCodec.append(run, to: &writer)
        case .find(let workflow, let key):
            writer.byte(Operation.find.rawValue)
            writer.text(workflow)
            writer.text(key)
        case .describe(let run):
            writer.byte(Operation.describe.rawValue)
            PayloadCodec.append(run, to: &writer)
        case .cancel(let run, let by, let reason):
            writer.byte(Operation.cancel.rawValue)
            PayloadCodec.append(run, to: &writer)
            writer.text(WireText.cut(by))
            writer.text(WireText.cut(reason))
        case .signal(let signal):
            writer.byte(Operation.signal.rawValue)
            writer.text(signal.name)
            writer.optional(signal.disposition.keptFor) { $0.fixed($1.clampedNanoseconds) }
            writer.optional(signal.idempotencyKey) { $0.text($1) }
            writer.byte(signal.delivery == .all ? 1 : 0)
            writer.data(signal.payload.bytes)
        case .abandon(let other):
            writer.byte(Operation.abandon.rawValue)
            writer.varint(other)
        }
        return writer.bytes
    }

    /// Reads the body of a frame.
    static func decode(_ frame: [UInt8]) throws(ByteReader.Problem) -> (id: UInt64, request: SocketRequest) {
        var reader = ByteReader(frame)
        let id = try reader.varint()
        let raw = try reader.byte()
        guard let operation = Operation(rawValue: raw) else { throw .unknown(what: "operation", value: UInt64(raw)) }
        let request: SocketRequest
        switch operation {
        case .start: request = .start(try start(&reader))
        case .result: request = .result(try PayloadCodec.runID(&reader))
        case .find:
            let workflow = try reader.text("workflow", limit: WireText.limit)
            request = .find(workflow: workflow, key: try reader.text("key", limit: WireText.limit))
        case .describe: request = .describe(try PayloadCodec.runID(&reader))
        case .cancel:
            let run = try PayloadCodec.runID(&reader)
            let by = try reader.text("canceller", limit: WireText.limit)
            request = .cancel(run, by: by, reason: try reader.text("reason", limit: WireText.limit))
        case .signal: request = .signal(try signal(&reader))
        case .abandon: request = .abandon(try reader.varint())
        }
        try reader.finish()
        return (id, request)
    }

    private static func start(_ reader: inout ByteReader) throws(Problem) -> StartRequest {
        let workflow = try reader.text("workflow", limit: WireText.limit)
        let version = try reader.varint32("version")
        let key = try reader.optional { reader throws(Problem) in try reader.text("key", limit: WireText.limit) }
        let code = try reader.byte()
        guard let policy = ExistingRunPolicy(code: code) else {
            throw .unknown(what: "policy for existing runs", value: UInt64(code))
        }
        let input = try reader.data("input", limit: Limits.maximumPayloadBytes)
        return StartRequest(
            workflow: workflow, version: version, key: key, input: Payload(input),
            ifExists: policy)
    }

    private static func signal(_ reader: inout ByteReader) throws(Problem) -> SignalRequest {
        let name = try reader.text("signal", limit: WireText.limit)
        let kept = try reader.optional { reader throws(Problem) in try reader.fixed(Int64.self) }
        let key = try reader.optional { reader throws(Problem) in
            try reader.text("idempotency key", limit: WireText.limit)
        }
        let delivery = try reader.byte()
        guard delivery <= 1 else { throw .unknown(what: "delivery of a signal", value: UInt64(delivery)) }
        let payload = try reader.data("data", limit: Limits.maximumPayloadBytes)
        return SignalRequest(
            name: name, payload: Payload(payload), disposition: kept.map { .keep(for: .nanoseconds($0)) } ?? .drop,
            idempotencyKey: key, delivery: delivery == 1 ? .all : .first)
    }
}

extension ExistingRunPolicy {
    private static let byCode: [ExistingRunPolicy] = [.return, .fail, .restartIfFinished]

    fileprivate init?(code: UInt8) {
        guard Int(code) < Self.byCode.count else { return nil }
        self = Self.byCode[Int(code)]
    }

    fileprivate var code: UInt8 {
        switch self {
        case .return: 0
        case .fail: 1
        case .restartIfFinished: 2
        }
    }
}

/// Text in frames.
enum WireText {
    /// Far above every bound of an id, so that what is only a little too long gets an answer of its own, and far below
    /// what would be a burden.
    static let limit = 64 << 10

    /// The text, or as much of it as is sent.
    static func cut(_ text: String, to limit: Int = Limits.errorMessageBytes / 8) -> String {
        // Three bytes stand for a character that is cut through.
        text.utf8.count <= limit ? text : String(decoding: text.utf8.prefix(limit - 3), as: UTF8.self)
    }
}
