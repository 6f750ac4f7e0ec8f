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

    init(facts: AttemptFacts, runtime: any StepRuntime) { attemptOf = Attempt(facts: facts, runtime: runtime) }

    /// Remembers that the body called a step method, even where it swallows the error.
    func recordViolation(_ error: NestedStepError) { attemptOf.violation.withLock { $0 = $0 ?? error } }

    var recordedViolation: NestedStepError? { attemptOf.violation.withLock { $0 } }

    /// One allocation for all copies of a context.
    private final class Attempt: Sendable {
        let facts: AttemptFacts
        let runtime: any StepRuntime
        let violation = Locked<NestedStepError?>(nil)

        init(facts: AttemptFacts, runtime: any StepRuntime) {
            self.facts = facts
            self.runtime = runtime
        }
    }
}
