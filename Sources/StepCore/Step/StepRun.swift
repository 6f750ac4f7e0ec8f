import StepEvents
import StepLocks

/// What to do about an attempt that the process's death cut off: nobody knows how far its body had come.
public enum InterruptionPolicy<Output: Sendable>: Sendable {
    /// Run the body again: at least once. The default.
    case retry
    /// Never run the body again: at most once. The step fails with ``StepInterruptedError``.
    case fail
    /// Find out what happened.
    case inspect(@Sendable (StepContext) async throws -> InterruptionVerdict<Output>)
}

/// What an interrupted attempt turned out to have done.
public enum InterruptionVerdict<Output: Sendable>: Sendable {
    /// It had completed, with this result.
    case completed(Output)
    /// It had done nothing, or what it did can be done again.
    case retry
    /// It must not be tried again.
    case fail
}

extension Step {
    /// Runs `body` once and for all: when it has returned and its result is durable, it never runs again.
    ///
    /// The body starts after its start has become durable. What follows rests on the result only once that is durable
    /// too: the next body, the run's output. When the process dies in between, the body runs again; give
    /// ``StepContext/idempotencyKey`` to services that can tell a repeated request.
    ///
    /// - Parameters:
    ///   - id: names the step in its scope; at most 512 bytes of UTF-8.
    ///   - retry: when a failed attempt is tried again; the client's policy by default.
    ///   - timeout: how long an attempt may run; afterwards its task is cancelled and it counts as failed.
    ///   - onInterrupted: what to do when the process died during the body.
    ///   - throwing: the type of error that the body throws, for ``StepError/original(as:)``.
    ///   - output: the type of the result, where the compiler can't tell.
    ///   - fileID: where the call stands.
    ///   - line: where the call stands.
    ///   - body: the work. It runs in a task of its own, not on the run's executor, and sees the caller's task-locals.
    /// - Returns: what decoding the stored result gives.
    /// - Throws: ``StepError`` when the step failed for good; `CancellationError` when it was cancelled;
    ///   ``RunUnwinding`` while the run leaves memory; an error that names the mistake for a call that can't be right.
    @discardableResult
    public func run<Output: Codable & Sendable>(
        _ id: String, retry: RetryPolicy? = nil, timeout: Duration? = nil,
        onInterrupted: InterruptionPolicy<Output> = .retry, throwing: (any (Error & Codable & Sendable).Type)? = nil,
        output: Output.Type = Output.self, fileID: StaticString = #fileID, line: UInt = #line,
        body: @escaping @Sendable (StepContext) async throws -> Output
    ) async throws -> Output {
        let fresh = FreshResult<Output>()
        let policy = retry ?? runtime.defaultRetry
        let runner = AttemptRunner(
            retry: policy, body: { context in try fresh.store(try await body(context), of: id) },
            inspect: Self.inspector(onInterrupted, id, fresh))
        let call = StepCall(
            scope: scope, id: id,
            operation: .run(RunStep(retry: policy, timeout: timeout, interruption: onInterrupted.kind)),
            site: CallSite(fileID: fileID, line: line))
        let payload = try await perform(call, execute: runner)
        return try payload.flatMap { fresh.take($0) } ?? decode(payload, of: call)
    }

    /// Runs `body` once and for all; see ``run(_:retry:timeout:onInterrupted:throwing:output:fileID:line:body:)``.
    ///
    /// - Parameters:
    ///   - id: names the step in its scope; at most 512 bytes of UTF-8.
    ///   - retry: when a failed attempt is tried again; the client's policy by default.
    ///   - timeout: how long an attempt may run.
    ///   - onInterrupted: what to do when the process died during the body.
    ///   - throwing: the type of error that the body throws.
    ///   - output: the type of the result, where the compiler can't tell.
    ///   - fileID: where the call stands.
    ///   - line: where the call stands.
    ///   - body: the work.
    /// - Returns: what decoding the stored result gives.
    /// - Throws: as the form whose body takes a context.
    @discardableResult
    public func run<Output: Codable & Sendable>(
        _ id: String, retry: RetryPolicy? = nil, timeout: Duration? = nil,
        onInterrupted: InterruptionPolicy<Output> = .retry, throwing: (any (Error & Codable & Sendable).Type)? = nil,
        output: Output.Type = Output.self, fileID: StaticString = #fileID, line: UInt = #line,
        body: @escaping @Sendable () async throws -> Output
    ) async throws -> Output {
        try await run(
            id, retry: retry, timeout: timeout, onInterrupted: onInterrupted, throwing: throwing, output: output,
            fileID: fileID, line: line, body: { (_: StepContext) in try await body() })
    }

    /// Runs `body`, which returns nothing, once and for all.
    ///
    /// - Parameters:
    ///   - id: names the step in its scope; at most 512 bytes of UTF-8.
    ///   - retry: when a failed attempt is tried again; the client's policy by default.
    ///   - timeout: how long an attempt may run.
    ///   - onInterrupted: what to do when the process died during the body.
    ///   - throwing: the type of error that the body throws.
    ///   - fileID: where the call stands.
    ///   - line: where the call stands.
    ///   - body: the work.
    /// - Throws: as the form whose body returns a value.
    public func run(
        _ id: String, retry: RetryPolicy? = nil, timeout: Duration? = nil,
        onInterrupted: InterruptionPolicy<NoOutput> = .retry, throwing: (any (Error & Codable & Sendable).Type)? = nil,
        fileID: StaticString = #fileID, line: UInt = #line, body: @escaping @Sendable (StepContext) async throws -> Void
    ) async throws {
        let _: NoOutput = try await run(
            id, retry: retry, timeout: timeout, onInterrupted: onInterrupted, throwing: throwing, fileID: fileID,
            line: line,
            body: { (context: StepContext) in
                try await body(context)
                return NoOutput()
            })
    }

    /// Runs `body`, which returns nothing, once and for all.
    ///
    /// - Parameters:
    ///   - id: names the step in its scope; at most 512 bytes of UTF-8.
    ///   - retry: when a failed attempt is tried again; the client's policy by default.
    ///   - timeout: how long an attempt may run.
    ///   - onInterrupted: what to do when the process died during the body.
    ///   - throwing: the type of error that the body throws.
    ///   - fileID: where the call stands.
    ///   - line: where the call stands.
    ///   - body: the work.
    /// - Throws: as the form whose body returns a value.
    public func run(
        _ id: String, retry: RetryPolicy? = nil, timeout: Duration? = nil,
        onInterrupted: InterruptionPolicy<NoOutput> = .retry, throwing: (any (Error & Codable & Sendable).Type)? = nil,
        fileID: StaticString = #fileID, line: UInt = #line, body: @escaping @Sendable () async throws -> Void
    ) async throws {
        try await run(
            id, retry: retry, timeout: timeout, onInterrupted: onInterrupted, throwing: throwing, fileID: fileID,
            line: line, body: { (_: StepContext) in try await body() })
    }

    /// Takes bodies whose result can't be stored, so that the compiler can say so.
    ///
    /// - Parameters:
    ///   - id: names the step.
    ///   - body: never run.
    /// - Returns: never.
    /// - Throws: ``ResultEncodingError`` always.
    @available(*, deprecated, message: "the result of a step must be Codable and Sendable, or it can't be stored")
    @_disfavoredOverload
    public func run<Output>(_ id: String, body: @escaping @Sendable () async throws -> Output) async throws -> Output {
        throw ResultEncodingError(
            what: "the result of step \"\(id)\"", type: String(reflecting: Output.self),
            reason: "its type is not Codable & Sendable")
    }

    private static func inspector<Output: Codable & Sendable>(
        _ policy: InterruptionPolicy<Output>, _ id: String, _ fresh: FreshResult<Output>
    ) -> (@Sendable (StepContext) async throws -> AttemptOutcome)? {
        guard case .inspect(let inspect) = policy else { return nil }
        return { context in
            switch try await inspect(context) {
            case .completed(let value): .succeeded(try fresh.store(value, of: id))
            case .retry: .tryAgain
            case .fail: .giveUp
            }
        }
    }
}

extension Step {
    /// Decodes what is stored; where that fails, the run is held, since no code that is here can go on from it.
    func decode<Value: Decodable>(_ payload: Payload?, of call: StepCall) throws -> Value {
        let payload = payload ?? .null
        do {
            return try PayloadCoder.decode(Value.self, from: payload)
        } catch {
            let error = ResultDecodingError(
                runID: runtime.run.id, step: StepKey(scope: call.scope, id: call.id, occurrence: call.occurrence),
                type: String(reflecting: Value.self), stored: payload, reason: String(describing: error))
            runtime.hold(Failure(capturing: error, site: call.site))
            throw RunUnwinding()
        }
    }
}

/// The result of a body, or the output of a workflow, that returns nothing. Stored as an empty object.
public struct NoOutput: Codable, Hashable, Sendable {
    /// Makes the only value.
    public init() {}
}

/// The result that an attempt has just made, already taken through its stored form, so that it need not be decoded a
/// second time when it is handed to the workflow.
private final class FreshResult<Output: Codable & Sendable>: Sendable {
    private let kept = Locked<(payload: Payload, value: Output)?>(nil)

    /// Encodes the result, decodes it again and keeps what that gave.
    func store(_ result: Output, of step: String) throws -> Payload {
        let payload: Payload
        do {
            payload = try PayloadCoder.encode(result)
        } catch {
            throw refusal(step, "\(error)")
        }
        if PayloadCoder.roundTripsExactly(Output.self) {
            kept.withLock { $0 = (payload, result) }
            return payload
        }
        do {
            let decoded = try PayloadCoder.decode(Output.self, from: payload)
            kept.withLock { $0 = (payload, decoded) }
        } catch {
            throw refusal(step, "what it encodes to does not decode: \(error)")
        }
        return payload
    }

    /// The kept result, if it is the one that was recorded: a late attempt may have left another.
    func take(_ payload: Payload) -> Output? {
        kept.withLock { $0.flatMap { $0.payload == payload ? $0.value : nil } }
    }

    private func refusal(_ step: String, _ reason: String) -> ResultEncodingError {
        ResultEncodingError(
            what: "the result of step \"\(step)\"", type: String(reflecting: Output.self), reason: reason)
    }
}

extension InterruptionPolicy {
    fileprivate var kind: RunStep.Interruption {
        switch self {
        case .retry: .retry
        case .fail: .fail
        case .inspect: .ask
        }
    }
}
