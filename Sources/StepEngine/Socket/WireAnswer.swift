package import StepCore
package import StepEvents

/// What an engine answers to a request.
package enum SocketAnswer: Sendable {
    /// It is done, and there is nothing to tell.
    case done
    /// The run, where there is one.
    case run(RunID?)
    case output(Payload)
    case description(RunDescription?)
    case failed(WireError)

    private typealias Problem = ByteReader.Problem

    private enum Kind: UInt8 {
        case done = 1
        case run, output, description, failed
    }

    /// The id in place of a request's where the whole connection is meant. The engine closes it after that.
    static let connection: UInt64 = 0

    /// The answer as the body of a frame.
    func encoded(id: UInt64) -> [UInt8] {
        var writer = ByteWriter(reserving: 64)
        writer.varint(id)
        switch self {
        case .done: writer.byte(Kind.done.rawValue)
        case .run(let run):
            writer.byte(Kind.run.rawValue)
            writer.optional(run) { PayloadCodec.append($1, to: &$0) }
        case .output(let output):
            writer.byte(Kind.output.rawValue)
            writer.data(output.bytes)
        case .description(let description):
            writer.byte(Kind.description.rawValue)
            writer.optional(description) { writer, description in
                PayloadCodec.append(description.id, to: &writer)
                writer.text(description.workflow)
                writer.optional(description.key) { $0.text($1) }
                writer.byte(description.status.rawValue)
                writer.optional(description.failure) { PayloadCodec.append($1, to: &$0) }
            }
        case .failed(let error):
            writer.byte(Kind.failed.rawValue)
            error.append(to: &writer)
        }
        return writer.bytes
    }

    /// Reads the body of a frame.
    static func decode(_ frame: [UInt8]) throws(ByteReader.Problem) -> (id: UInt64, answer: SocketAnswer) {
        var reader = ByteReader(frame)
        let id = try reader.varint()
        let raw = try reader.byte()
        guard let kind = Kind(rawValue: raw) else { throw .unknown(what: "answer", value: UInt64(raw)) }
        let answer: SocketAnswer
        switch kind {
        case .done: answer = .done
        case .run:
            answer = .run(try reader.optional { reader throws(Problem) in try PayloadCodec.runID(&reader) })
        case .output: answer = .output(Payload(try reader.data("output", limit: Limits.maximumPayloadBytes)))
        case .description:
            answer = .description(try reader.optional { reader throws(Problem) in try description(&reader) })
        case .failed: answer = .failed(try WireError(&reader))
        }
        try reader.finish()
        return (id, answer)
    }

    private static func description(_ reader: inout ByteReader) throws(Problem) -> RunDescription {
        let id = try PayloadCodec.runID(&reader)
        let workflow = try reader.text("workflow", limit: WireText.limit)
        let key = try reader.optional { reader throws(Problem) in try reader.text("key", limit: WireText.limit) }
        let raw = try reader.byte()
        guard let status = RunStatus(rawValue: raw) else { throw .unknown(what: "status", value: UInt64(raw)) }
        let failure = try reader.optional { reader throws(Problem) in try PayloadCodec.failure(&reader) }
        return RunDescription(id: id, workflow: workflow, key: key, status: status, failure: failure)
    }
}
