package import Logging
package import StepCore
package import StepEvents
import StepLocks

/// What step methods need of the instance that executes them. Every call may come from any thread.
extension WorkflowInstance: StepRuntime {
    package var bodyExecutor: any TaskExecutor { host.bodyExecutor }
    package var runExecutor: any TaskExecutor { self }
    package var payloadLimit: Int { client.payloadLimit }
    package var defaultRetry: RetryPolicy { client.defaultRetry }
    package var now: Timestamp { view.withLock { $0.now } }
    package var isReplaying: Bool { view.withLock { $0.isReplaying } }

    package func begin(_ call: StepCall, isCancelled: Bool) async -> StepDirective {
        await withUnsafeContinuation { waiter in
            call.wait(waiter)
            post(.ask(call, isCancelled: isCancelled))
        }
    }

    package func attemptEnded(_ call: StepCall, attempt: UInt32, outcome: AttemptOutcome) {
        post(.attemptEnded(call, attempt: attempt, outcome))
    }

    package func heartbeat(_ call: StepCall, attempt: UInt32, details: Payload) async throws -> UInt32 {
        try await withUnsafeThrowingContinuation { continuation in
            let heartbeat = Heartbeat(call: call, attempt: attempt, details: details, continuation: continuation)
            let (refusal, mustSchedule) = gate.withLock { gate -> ((any Error)?, Bool) in
                if let refusal = gate.refusal { return (refusal, false) }
                return (nil, gate.deposit(.heartbeat(heartbeat)))
            }
            if let refusal { return heartbeat.refuse(refusal) }
            if mustSchedule { host.schedule(self) }
        }
    }

    package func cancel(_ call: StepCall) { post(.cancelCall(call)) }

    package func unwound(_ call: StepCall, in task: TaskIdentity) { post(.unwound(call, task)) }

    package func hold(_ failure: Failure) { post(.hold(failure)) }

    package func openGroup(_ name: String, in scope: String, site: CallSite) throws -> String {
        try scopes.withLock { try $0.openGroup(name, in: scope, site: site) }
    }

    package func closeGroup(_ scope: String) { scopes.withLock { $0.closeGroup(scope) } }

    package func draw(in scope: String) -> UInt64 { scopes.withLock { $0.draw(in: scope) } }

    package func durable() async throws {
        guard await withUnsafeContinuation({ post(.awaitDurable($0)) }) else { throw RunUnwinding() }
    }

    package func enterOutside(_ label: String) { view.withLock { $0.outside += 1 } }

    package func leaveOutside(_ label: String) { view.withLock { $0.outside -= 1 } }

    package var logger: Logger {
        isReplaying ? Logger(label: client.logger.label, factory: { _ in SwiftLogNoOpLogHandler() }) : liveLogger
    }
}
