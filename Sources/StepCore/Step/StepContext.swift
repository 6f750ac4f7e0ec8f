public import Logging
public import StepEvents
import StepLocks

/// What a step's body can know of the attempt that it is.
///
/// Bodies get it as their argument where they take one, and everywhere below them as ``current``.
public struct StepContext: Sendable {
    private let attemptOf: Attempt

    /// The run.
    public var runID: RunID { attemptOf.runtime.run.id }
    /// The step's id, as the workflow gave it.
    public var stepID: String { attemptOf.facts.key.id }
    /// The path of groups that the step stands in, `""` at the top.
    public var scope: String { attemptOf.facts.key.scope }
    /// 0 for the first step of this id in its scope, then 1, 2 …
    public var occurrence: Int { Int(attemptOf.facts.key.occurrence) }
    /// From 1. Every start of the body counts, those too that a crash interrupted.
    public var attempt: Int { Int(attemptOf.facts.attempt) }
    /// The same for all attempts of this step and for no other step. Give it to services that can tell a repeated
    /// request by it: a body may run more than once when the process dies before its result is durable.
    public var idempotencyKey: String {
        StableHash.idempotencyKey(run: attemptOf.runtime.run.id, step: attemptOf.facts.key)
    }
    /// What was recorded of the previous attempt's error.
    public var lastFailure: Failure? { attemptOf.facts.lastFailure }

    /// Carries the run, the step and the attempt. Made when it is asked for, since few bodies log.
    public var logger: Logger {
        var logger = attemptOf.runtime.logger
        logger[metadataKey: "step"] = "\(attemptOf.facts.key)"
        logger[metadataKey: "attempt"] = "\(attemptOf.facts.attempt)"
        return logger
    }

    /// The context of the body that is running here; `nil` outside of bodies.
    @TaskLocal public static var current: StepContext?

    init(facts: AttemptFacts, call: StepCall, isInspecting: Bool, runtime: any StepRuntime) {
        attemptOf = Attempt(facts: facts, call: call, isInspecting: isInspecting, runtime: runtime)
    }

    /// Records how far the body has come, for an attempt that may have to go on from there. Durable when it returns:
    /// ``lastHeartbeat(as:)`` gives the details to the step's next attempt, whatever ends this one, `kill -9` included.
    ///
    /// ```swift
    /// let total = try await step.run("import") { context in
    ///     var row = try context.lastHeartbeat(as: Int.self) ?? 0
    ///     while row < rows.count {
    ///         try await insert(rows[row])
    ///         row += 1
    ///         if row.isMultiple(of: 1_000) { try await context.heartbeat(row) }
    ///     }
    ///     return row
    /// }
    /// ```
    ///
    /// Each call is one event in the log for good, and waits for one flush of the disk: call it every so many items,
    /// not for each. It does not extend the step's timeout. What was done since the last one may be done again.
    ///
    /// - Parameter details: what the next attempt must know. They take the place of those recorded before.
    /// - Throws: `CancellationError` when the attempt is no longer the one that runs: it was cancelled, it timed out, or
    ///   its body has ended; ``RunUnwinding`` while the run leaves memory. After either the details may be recorded or
    ///   not. Nothing was recorded after ``ResultEncodingError`` for details that can't be encoded, ``PayloadTooLarge``
    ///   for details above the client's limit, ``InspectionHeartbeatError`` in an `onInterrupted` closure, and
    ///   ``UnsupportedByDriver`` where the driver has nowhere to record them.
    public func heartbeat<Details: Encodable & Sendable>(_ details: Details) async throws {
        let (facts, runtime) = (attemptOf.facts, attemptOf.runtime)
        guard !attemptOf.isInspecting else { throw InspectionHeartbeatError(step: facts.key) }
        let payload: Payload
        do {
            payload = try PayloadCoder.encode(details)
        } catch {
            throw ResultEncodingError(
                what: "a heartbeat of step \"\(stepID)\"", type: String(reflecting: Details.self), reason: "\(error)")
        }
        guard payload.bytes.count <= runtime.payloadLimit else {
            throw PayloadTooLarge(
                what: "a heartbeat of step \(facts.key) of run \(runID)", bytes: payload.bytes.count,
                limit: runtime.payloadLimit)
        }
        let sequence = try await runtime.heartbeat(attemptOf.call, attempt: facts.attempt, details: payload)
        attemptOf.notes.withLock { notes in
            // Of two at once the later in the history counts, as it will for the next attempt.
            if sequence > notes.heartbeat?.sequence ?? 0 { notes.heartbeat = (sequence, payload) }
        }
    }

    /// What was recorded last by ``heartbeat(_:)``, by this attempt of the step or an earlier one. An `onInterrupted`
    /// closure sees it too.
    ///
    /// - Parameter type: the type of the details.
    /// - Returns: `nil` when no attempt of this step has recorded any.
    /// - Throws: ``HeartbeatDecodingError`` when they do not decode as that type.
    public func lastHeartbeat<Details: Decodable & Sendable>(as type: Details.Type = Details.self) throws -> Details? {
        let own = attemptOf.notes.withLock { $0.heartbeat?.details }
        guard let payload = own ?? attemptOf.facts.lastHeartbeat else { return nil }
        do {
            return try PayloadCoder.decode(type, from: payload)
        } catch {
            throw HeartbeatDecodingError(
                runID: runID, step: attemptOf.facts.key, type: String(reflecting: type), stored: payload,
                reason: String(describing: error))
        }
    }

    /// Remembers that the body called a step method, even where it swallows the error.
    func recordViolation(_ error: NestedStepError) { attemptOf.notes.withLock { $0.violation = $0.violation ?? error } }

    var recordedViolation: NestedStepError? { attemptOf.notes.withLock { $0.violation } }

    /// One allocation for all copies of a context.
    private final class Attempt: Sendable {
        let facts: AttemptFacts
        let call: StepCall
        let isInspecting: Bool
        let runtime: any StepRuntime
        let notes = Locked(Notes())

        init(facts: AttemptFacts, call: StepCall, isInspecting: Bool, runtime: any StepRuntime) {
            self.facts = facts
            self.call = call
            self.isInspecting = isInspecting
            self.runtime = runtime
        }
    }

    /// What comes up while the attempt runs.
    private struct Notes {
        var violation: NestedStepError?
        var heartbeat: (sequence: UInt32, details: Payload)?
    }
}
