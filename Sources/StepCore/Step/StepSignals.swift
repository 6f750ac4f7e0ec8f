import StepEvents

extension Step {
    /// Waits until someone sends a signal of the given name, or the time is up.
    ///
    /// Among several runs that wait for one name, the one that waits longest gets the signal. Data that does not
    /// decode as `type` is rejected and the wait goes on.
    ///
    /// - Parameters:
    ///   - id: names the step in its scope.
    ///   - signal: the signal's name, at most 1,024 bytes of UTF-8.
    ///   - type: what the signal's data must decode as.
    ///   - timeout: how long to wait; `nil` waits for ever.
    ///   - fileID: where the call stands.
    ///   - line: where the call stands.
    /// - Returns: the signal's data, or `nil` when the time was up first.
    /// - Throws: `CancellationError` when the wait was cancelled; ``InvalidStepID`` for an unusable id or name.
    public func waitForSignal<Value: Codable & Sendable>(
        _ id: String, signal: String, as type: Value.Type, timeout: Duration? = nil, fileID: StaticString = #fileID,
        line: UInt = #line
    ) async throws -> Value? {
        try StepName.check(signal, limit: Limits.signalNameBytes)
        let wait = WaitForSignalStep(
            signal: signal, timeout: timeout, check: { _ = try PayloadCoder.decode(Value.self, from: $0) })
        let call = StepCall(
            scope: scope, id: id, operation: .waitForSignal(wait), site: CallSite(fileID: fileID, line: line))
        guard let payload = try await perform(call) else { return nil }
        let value: Value = try decode(payload, of: call)
        return value
    }

    /// Sends a signal, once, however often the run is replayed.
    ///
    /// - Parameters:
    ///   - id: names the step in its scope.
    ///   - signal: the signal's name, at most 1,024 bytes of UTF-8.
    ///   - data: the signal's data.
    ///   - ifNobodyWaits: whether the signal is dropped or kept for the next waiter.
    ///   - fileID: where the call stands.
    ///   - line: where the call stands.
    /// - Throws: ``ResultEncodingError`` for data that does not encode; `CancellationError` when the step was
    ///   cancelled before the signal was sent.
    public func sendSignal(
        _ id: String, signal: String, data: some Codable & Sendable, ifNobodyWaits: SignalDisposition = .drop,
        fileID: StaticString = #fileID, line: UInt = #line
    ) async throws {
        try StepName.check(signal, limit: Limits.signalNameBytes)
        let payload = try Self.encode(data, what: "the data of signal \"\(signal)\"", limit: runtime.payloadLimit)
        let send = SendSignalStep(signal: signal, payload: payload, keep: ifNobodyWaits.keptFor)
        _ = try await perform(
            StepCall(scope: scope, id: id, operation: .sendSignal(send), site: CallSite(fileID: fileID, line: line)))
    }

    static func encode<Value: Encodable>(_ value: Value, what: String, limit: Int) throws -> Payload {
        let payload: Payload
        do {
            payload = try PayloadCoder.encode(value)
        } catch {
            throw ResultEncodingError(what: what, type: String(reflecting: Value.self), reason: "\(error)")
        }
        guard payload.bytes.count <= limit else {
            throw PayloadTooLarge(what: what, bytes: payload.bytes.count, limit: limit)
        }
        return payload
    }
}

/// Who gets a signal that several wait for.
public enum SignalDelivery: Sendable, Hashable {
    /// The one that has waited longest.
    case first
    /// Each of them.
    case all
}

/// What becomes of a signal that nobody waits for.
public enum SignalDisposition: Sendable, Hashable {
    /// It is dropped, and the sender is told.
    case drop
    /// It goes to the next waiter that comes within this time.
    case keep(for: Duration)

    package var keptFor: Duration? {
        switch self {
        case .drop: nil
        case .keep(let duration): max(.zero, duration)
        }
    }
}
