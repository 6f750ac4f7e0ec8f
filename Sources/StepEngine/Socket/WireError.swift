import StepCore
import StepEvents
import StepLog

/// An error as it crosses the socket: a code, what every reader understands, and the fields that make it the error it
/// was for readers that know the code.
package struct WireError: Hashable, Sendable {
    enum Code: UInt64 {
        case other = 0
        case runNotFound, runKeyConflict, runFailed, runCancelled, invalidPayload, engineBusy, engineNotRunning
        case engineStopped, invalidInput, payloadTooLarge, invalidStepID, store
        /// The client said something that is not of the protocol. The connection is closed.
        case protocolBroken
        /// The engine speaks other versions of the protocol. The connection is closed.
        case versionUnknown
        /// More connections than the engine takes. This one is closed.
        case tooManyConnections
        /// The engine that was waited for stopped; another may come.
        case engineLeft
    }

    var code: UInt64
    var type: String
    var message: String
    var fields: [UInt8]

    private typealias Problem = ByteReader.Problem

    init(_ code: Code, type: String, message: String, fields: [UInt8] = []) {
        self.code = code.rawValue
        self.type = WireText.cut(type, to: Limits.errorMessageBytes)
        self.message = WireText.cut(message, to: Limits.errorMessageBytes)
        self.fields = fields
    }

    /// Makes one of the client's mistakes, or of what concerns the whole connection.
    init(_ code: Code, _ message: String) { self.init(code, type: "StepEngine.WireError", message: message) }

    /// Takes an error that the engine threw.
    package init(_ error: any Error) {
        var writer = ByteWriter()
        let code: Code
        switch error {
        case let error as RunNotFound:
            code = .runNotFound
            writer.text(WireText.cut(error.name))
        case let error as RunKeyConflict:
            code = .runKeyConflict
            writer.text(error.workflow)
            writer.text(error.key)
            PayloadCodec.append(error.existing, to: &writer)
        case let error as RunFailedError:
            code = .runFailed
            PayloadCodec.append(error.runID, to: &writer)
            PayloadCodec.append(error.failure, to: &writer)
        case let error as RunCancelledError:
            code = .runCancelled
            PayloadCodec.append(error.runID, to: &writer)
            writer.text(error.by)
            writer.text(error.reason)
        case let error as InvalidPayloadError:
            code = .invalidPayload
            PayloadCodec.append(error.runID, to: &writer)
            writer.text(error.signal)
            writer.text(WireText.cut(error.reason, to: Limits.errorMessageBytes))
        case is EngineBusy: code = .engineBusy
        case is EngineLeft: code = .engineLeft
        case let error as EngineNotRunning:
            code = .engineNotRunning
            writer.text(error.operation)
        case let error as EngineStopped:
            code = .engineStopped
            writer.text(WireText.cut(error.reason, to: Limits.errorMessageBytes))
        case let error as InvalidInputError:
            code = .invalidInput
            writer.text(error.workflow)
            writer.text(WireText.cut(error.reason, to: Limits.errorMessageBytes))
        case let error as PayloadTooLarge:
            code = .payloadTooLarge
            writer.text(WireText.cut(error.what))
            writer.varint(UInt64(clamping: error.bytes))
            writer.varint(UInt64(clamping: error.limit))
        case let error as InvalidStepID:
            code = .invalidStepID
            writer.text(WireText.cut(error.id))
            writer.text(error.reason)
        case let error as StoreError:
            code = .store
            Self.append(error, to: &writer)
        default: code = .other
        }
        self.init(
            code, type: Failure.typeName(error), message: String(describing: error), fields: writer.bytes)
    }

    // MARK: Bytes

    func append(to writer: inout ByteWriter) {
        writer.varint(code)
        writer.text(type)
        writer.text(message)
        writer.data(fields)
    }

    init(_ reader: inout ByteReader) throws(ByteReader.Problem) {
        code = try reader.varint()
        type = try reader.text("error type", limit: WireText.limit)
        message = try reader.text("error message", limit: WireText.limit)
        fields = try reader.data("error fields", limit: Limits.recordBytes)
    }

    /// The error as it was thrown; a ``RemoteEngineError`` where this version knows no such error.
    var error: any Error {
        var reader = ByteReader(fields)
        do throws(Problem) {
            if let code = Code(rawValue: code), let error = try Self.error(code, &reader) { return error }
        } catch {
            // A newer engine may say more of an error than is understood here; what it says to everyone is enough.
        }
        return RemoteEngineError(type: type, message: message)
    }

    private static func error(_ code: Code, _ reader: inout ByteReader) throws(Problem) -> (any Error)? {
        let limit = WireText.limit
        switch code {
        case .other, .protocolBroken, .versionUnknown, .engineLeft: return nil
        case .tooManyConnections, .engineBusy: return EngineBusy()
        case .runNotFound: return RunNotFound(name: try reader.text("run", limit: limit))
        case .runKeyConflict:
            let workflow = try reader.text("workflow", limit: limit)
            let key = try reader.text("key", limit: limit)
            return RunKeyConflict(workflow: workflow, key: key, existing: try PayloadCodec.runID(&reader))
        case .runFailed:
            let run = try PayloadCodec.runID(&reader)
            return RunFailedError(runID: run, failure: try PayloadCodec.failure(&reader))
        case .runCancelled:
            let run = try PayloadCodec.runID(&reader)
            let by = try reader.text("canceller", limit: limit)
            return RunCancelledError(runID: run, by: by, reason: try reader.text("reason", limit: limit))
        case .invalidPayload:
            let run = try PayloadCodec.runID(&reader)
            let signal = try reader.text("signal", limit: limit)
            return InvalidPayloadError(signal: signal, runID: run, reason: try reader.text("reason", limit: limit))
        case .engineNotRunning: return EngineNotRunning(operation: try reader.text("operation", limit: limit))
        case .engineStopped: return EngineStopped(reason: try reader.text("reason", limit: limit))
        case .invalidInput:
            let workflow = try reader.text("workflow", limit: limit)
            return InvalidInputError(workflow: workflow, reason: try reader.text("reason", limit: limit))
        case .payloadTooLarge:
            let what = try reader.text("payload", limit: limit)
            let bytes = Int(clamping: try reader.varint())
            return PayloadTooLarge(what: what, bytes: bytes, limit: Int(clamping: try reader.varint()))
        case .invalidStepID:
            let id = try reader.text("id", limit: limit)
            return InvalidStepID(id: id, reason: try reader.text("reason", limit: limit))
        case .store: return try storeError(&reader)
        }
    }
}

/// Errors of the store: a code with its own fields, what happened, and the place.
extension WireError {
    /// Codes without fields of their own, by their number on the wire.
    private static let plainCodes: [UInt64: StoreError.Code] = [
        1: .busy, 2: .storageFull, 3: .commitOutcomeUnknown, 4: .poisoned, 5: .fenced, 6: .tornCommit, 7: .newerFormat,
        8: .foreign, 9: .damaged, 10: .unusable, 11: .notFound, 12: .readOnly, 13: .closed, 14: .invariantBroken,
        15: .system, 18: .olderFormat,
    ]
    private static let inUse: UInt64 = 16
    private static let rolledBack: UInt64 = 17

    private static func append(_ error: StoreError, to writer: inout ByteWriter) {
        switch error.code {
        case .inUse(let pid):
            writer.varint(inUse)
            writer.optional(pid) { $0.fixed($1) }
        case .rolledBack(let lost):
            writer.varint(rolledBack)
            writer.optional(lost) { $0.fixed($1) }
        default: writer.varint(plainCodes.first { $0.value == error.code }?.key ?? 0)
        }
        writer.text(WireText.cut(error.detail, to: Limits.errorMessageBytes))
        writer.optional(error.path) { $0.text(WireText.cut($1, to: Limits.errorMessageBytes)) }
        writer.optional(error.lsn) { $0.fixed($1.value) }
        writer.optional(error.runNumber) { $0.fixed($1) }
        writer.optional(error.table) { $0.text($1) }
    }

    private static func storeError(_ reader: inout ByteReader) throws(ByteReader.Problem) -> StoreError? {
        let number = try reader.varint()
        let code: StoreError.Code?
        switch number {
        case inUse:
            code = .inUse(pid: try reader.optional { reader throws(Problem) in try reader.fixed(Int32.self) })
        case rolledBack:
            code = .rolledBack(lost: try reader.optional { reader throws(Problem) in try reader.fixed(UInt64.self) })
        default: code = plainCodes[number]
        }
        let detail = try reader.text("detail", limit: WireText.limit)
        let path = try reader.optional { reader throws(Problem) in try reader.text("path", limit: WireText.limit) }
        let lsn = try reader.optional { reader throws(Problem) in LSN(try reader.fixed(UInt64.self)) }
        let run = try reader.optional { reader throws(Problem) in RunNumber(try reader.fixed(UInt64.self)) }
        let table = try reader.optional { reader throws(Problem) in try reader.text("table", limit: WireText.limit) }
        return code.map { StoreError($0, detail, path: path, lsn: lsn, run: run, table: table.flatMap(TableName.init)) }
    }
}

/// An engine stopped while it was waited for. The client makes an ``EngineUnreachable`` of it.
struct EngineLeft: Error, CustomStringConvertible {
    var description: String
}
