import Logging
import StepEvents

/// Carries out attempts of one step's body, each in a task of its own on the executor for bodies, with the caller's
/// task-local values.
struct AttemptRunner: Sendable {
    typealias Body = @Sendable (StepContext) async throws -> Payload

    let retry: RetryPolicy
    let body: Body
    /// Finds out what an interrupted attempt did, where the user gave a closure for it.
    let inspect: (@Sendable (StepContext) async throws -> AttemptOutcome)?

    func start(_ facts: AttemptFacts, _ call: StepCall, inspecting: Bool, _ runtime: any StepRuntime) {
        let runner = self
        let task = Task(executorPreference: runtime.bodyExecutor) {
            let outcome = await runner.outcome(facts, call, inspecting: inspecting, runtime)
            runtime.attemptEnded(call, attempt: facts.attempt, outcome: outcome)
        }
        call.attemptBegan(facts.attempt, task)
    }

    private func outcome(
        _ facts: AttemptFacts, _ call: StepCall, inspecting: Bool, _ runtime: any StepRuntime
    ) async -> AttemptOutcome {
        let context = StepContext(facts: facts, call: call, isInspecting: inspecting, runtime: runtime)
        let outcome: AttemptOutcome
        do {
            outcome = try await StepContext.$current.withValue(context) {
                if inspecting, let inspect { return try await inspect(context) }
                return .succeeded(try await body(context))
            }
        } catch {
            outcome = failed(error, call)
        }
        if let nested = context.recordedViolation {
            return .failed(Failure(capturing: nested, site: call.site), retry: .never)
        }
        if case .succeeded(let payload) = outcome, payload.bytes.count > runtime.payloadLimit {
            let error = PayloadTooLarge(
                what: "the result of step \(facts.key) of run \(runtime.run.id)", bytes: payload.bytes.count,
                limit: runtime.payloadLimit)
            return .failed(Failure(capturing: error, site: call.site), retry: .never)
        }
        return outcome
    }

    private func failed(_ error: any Error, _ call: StepCall) -> AttemptOutcome {
        let decision: RetryDecision
        if error is any NonRetryable {
            decision = .never
        } else if let later = error as? RetryAfterError {
            decision = .after(later.after)
        } else if let shouldRetry = retry.shouldRetry, !shouldRetry(error) {
            decision = .never
        } else {
            decision = .byPolicy
        }
        return .failed(Failure(capturing: error, site: call.site), retry: decision)
    }
}
