package import Logging
package import StepEvents

/// What a step method needs of the instance that executes its run. The only seam between what users write against
/// and what makes it happen; StepReplay implements it.
package protocol StepRuntime: AnyObject, Sendable {
    var run: RunFacts { get }
    /// The executor on which bodies run: never the run's own.
    var bodyExecutor: any TaskExecutor { get }
    /// The run's own serial executor.
    var runExecutor: any TaskExecutor { get }

    /// Asks for a step and waits for the first directive; ``StepCall/next()`` waits for further ones.
    func begin(_ call: StepCall, isCancelled: Bool) async -> StepDirective
    /// An attempt's body has ended.
    func attemptEnded(_ call: StepCall, attempt: UInt32, outcome: AttemptOutcome)
    /// An attempt's body tells how far it has come. Returns the sequence of the event once that is durable.
    func heartbeat(_ call: StepCall, attempt: UInt32, details: Payload) async throws -> UInt32
    /// The task that asked for the step was cancelled.
    func cancel(_ call: StepCall)
    /// A call throws ``RunUnwinding`` in the task.
    func unwound(_ call: StepCall, in task: TaskIdentity)
    /// The stored outcome does not decode, or history and code do not fit: the run is to be held.
    func hold(_ failure: Failure)

    /// Opens a group and returns its scope.
    func openGroup(_ name: String, in scope: String, site: CallSite) throws -> String
    func closeGroup(_ scope: String)
    /// The next draw of the scope's generator.
    func draw(in scope: String) -> UInt64
    /// The time of the last item handed to the workflow.
    var now: Timestamp { get }
    var isReplaying: Bool { get }
    /// Returns when everything that the workflow has seen so far is durable.
    func durable() async throws
    func enterOutside(_ label: String)
    func leaveOutside(_ label: String)
    /// The run's log label and metadata; silent while replaying.
    var logger: Logger { get }
    var payloadLimit: Int { get }
    var defaultRetry: RetryPolicy { get }
}

/// What does not change during a run.
package struct RunFacts: Sendable {
    package var id: RunID
    package var workflow: String
    package var version: UInt32
    package var key: String?
    package var seed: UInt64

    package init(id: RunID, workflow: String, version: UInt32, key: String?, seed: UInt64) {
        self.id = id
        self.workflow = workflow
        self.version = version
        self.key = key
        self.seed = seed
    }
}

/// What a step method asks for.
package enum StepOperation: Sendable {
    case run(RunStep)
    case sleep(SleepStep)
    case waitForSignal(WaitForSignalStep)
    case sendSignal(SendSignalStep)
    case invoke(InvokeStep)

    /// The name in messages.
    package var name: String {
        switch self {
        case .run: "step.run"
        case .sleep: "step.sleep"
        case .waitForSignal: "step.waitForSignal"
        case .sendSignal: "step.sendSignal"
        case .invoke: "step.invoke"
        }
    }
}

package struct RunStep: Sendable {
    package enum Interruption: Sendable {
        case retry
        case fail
        case ask
    }

    package var retry: RetryPolicy
    package var timeout: Duration?
    package var interruption: Interruption

    package init(retry: RetryPolicy, timeout: Duration?, interruption: Interruption) {
        self.retry = retry
        self.timeout = timeout
        self.interruption = interruption
    }
}

package enum SleepStep: Sendable {
    case duration(Duration)
    case until(Timestamp)
}

package struct WaitForSignalStep: Sendable {
    package var signal: String
    package var timeout: Duration?
    /// Throws where a payload is not what the code waits for.
    package var check: @Sendable (Payload) throws -> Void

    package init(signal: String, timeout: Duration?, check: @escaping @Sendable (Payload) throws -> Void) {
        self.signal = signal
        self.timeout = timeout
        self.check = check
    }
}

package struct SendSignalStep: Sendable {
    package var signal: String
    package var payload: Payload
    package var keep: Duration?

    package init(signal: String, payload: Payload, keep: Duration?) {
        self.signal = signal
        self.payload = payload
        self.keep = keep
    }
}

package struct InvokeStep: Sendable {
    package var workflow: String
    package var version: UInt32
    package var input: Payload
    package var timeout: Duration?
    package var cancelsOnTimeout: Bool
    package var detached: Bool

    package init(
        workflow: String, version: UInt32, input: Payload, timeout: Duration?, cancelsOnTimeout: Bool, detached: Bool
    ) {
        self.workflow = workflow
        self.version = version
        self.input = input
        self.timeout = timeout
        self.cancelsOnTimeout = cancelsOnTimeout
        self.detached = detached
    }
}

/// What the step method does next.
package enum StepDirective: Sendable {
    /// Run the body; the start is durable.
    indirect case execute(AttemptFacts)
    /// Find out what an interrupted attempt did.
    indirect case inspect(AttemptFacts)
    /// Return this; `nil` says that a wait timed out.
    case deliver(Payload?)
    case fail(any Error)
}

/// What an attempt may know of itself.
package struct AttemptFacts: Sendable {
    package var key: StepKey
    package var attempt: UInt32
    package var lastFailure: Failure?
    package var lastHeartbeat: Payload?

    package init(key: StepKey, attempt: UInt32, lastFailure: Failure?, lastHeartbeat: Payload? = nil) {
        self.key = key
        self.attempt = attempt
        self.lastFailure = lastFailure
        self.lastHeartbeat = lastHeartbeat
    }
}

/// How an attempt ended.
package enum AttemptOutcome: Sendable {
    case succeeded(Payload)
    indirect case failed(Failure, retry: RetryDecision)
    /// What an `onInterrupted` closure decided.
    case tryAgain
    case giveUp
}

/// What the body's side knows of whether and when to try again; the number of attempts is the machine's to judge.
package enum RetryDecision: Sendable, Hashable {
    case byPolicy
    case after(Duration)
    case never
}
