public import Logging
public import StepEvents

/// What a step's body can know of the attempt that it is.
///
/// Bodies get it as their argument where they take one, and everywhere below them as ``current``.
public struct StepContext: Sendable {
    /// The run.
    public let runID: RunID
    /// The step's id, as the workflow gave it.
    public let stepID: String
    /// The path of groups that the step stands in, `""` at the top.
    public let scope: String
    /// 0 for the first step of this id in its scope, then 1, 2 …
    public let occurrence: Int
    /// From 1. Every start of the body counts, those too that a crash interrupted.
    public let attempt: Int
    /// The same for all attempts of this step and for no other step. Give it to services that can tell a repeated
    /// request by it: a body may run more than once when the process dies before its result is durable.
    public let idempotencyKey: String
    /// What was recorded of the previous attempt's error.
    public let lastFailure: Failure?
    /// Carries the run, the step and the attempt.
    public let logger: Logger
    let violation: Violation

    /// The context of the body that is running here; `nil` outside of bodies.
    @TaskLocal public static var current: StepContext?

    init(facts: AttemptFacts, run: RunFacts, logger: Logger) {
        runID = run.id
        stepID = facts.key.id
        scope = facts.key.scope
        occurrence = Int(facts.key.occurrence)
        attempt = Int(facts.attempt)
        idempotencyKey = StableHash.idempotencyKey(run: run.id, step: facts.key)
        lastFailure = facts.lastFailure
        self.logger = logger
        violation = Violation()
    }

    /// Remembers that a body called a step method, even where the body swallows the error.
    final class Violation: Sendable {
        private let error = Locked<NestedStepError?>(nil)

        func record(_ error: NestedStepError) { self.error.withLock { $0 = $0 ?? error } }
        var recorded: NestedStepError? { error.withLock { $0 } }
    }
}
