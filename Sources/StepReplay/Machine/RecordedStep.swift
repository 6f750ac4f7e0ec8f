import StepCore
import StepEvents

/// What is known of one step: from the history, and from what happened since. Belongs to one ``RunMachine``.
final class RecordedStep {
    enum Kind: String {
        case run = "step.run"
        case sleep = "step.sleep"
        case wait = "step.waitForSignal"
        case send = "step.sendSignal"
        case invoke = "step.invoke"
    }

    indirect enum Outcome {
        case value(Payload)
        case timedOut
        case failed(Failure)
        case childFailed(Failure)
        case childCancelled
        case cancelled
    }

    let number: StepNumber
    let key: StepKey
    let kind: Kind
    /// The sequence of the last item that had been handed over when the code asked for it; `nil` where that is no
    /// longer comparable.
    var after: UInt32?
    var outcome: Outcome?
    /// Where the outcome stands in the history.
    var outcomeSequence: UInt32 = 0
    var outcomeTime = Timestamp(nanoseconds: 0)
    /// The last attempt that was started.
    var attempt: UInt32 = 0
    /// Attempts that failed, not counting interruptions.
    var failures = 0
    /// Attempts that a crash cut off.
    var interruptions = 0
    /// What the last interruption was.
    var lastInterruption: StepInterrupted.Reason?
    /// The call that asked for it in this instance.
    var call: StepCall?
    /// The attempt whose body runs in this process.
    var busyAttempt: UInt32?
    /// The next attempt is due but the body of the one before still runs.
    var waitsForBody = false
    var hasTurn = false
    /// Whether the host may have timers of it.
    var hasTimers = false
    var lastFailure: Failure?
    /// What a body told last, whichever attempt's it was.
    var lastHeartbeat: Payload?
    var signal: (name: String, since: Timestamp)?
    var sent: SignalSent?
    var child: (run: RunNumber, id: RunID, cancelsOnTimeout: Bool)?

    init(number: StepNumber, key: StepKey, kind: Kind, after: UInt32?) {
        self.number = number
        self.key = key
        self.kind = kind
        self.after = after
    }
}

/// Something to be handed to the workflow, in the order of the history.
struct Delivery: Comparable {
    enum Item: Equatable {
        case outcome(StepNumber)
        case cancelRun
    }

    let sequence: UInt32
    let time: Timestamp
    let item: Item

    static func < (left: Delivery, right: Delivery) -> Bool { left.sequence < right.sequence }
}

/// A step id in its scope, whose occurrences are counted.
struct StepName: Hashable {
    let scope: String
    let id: String
}

/// How often the code has asked for a name, and which call of it waits for an answer, for spotting ids that are asked
/// for twice at once. Belongs to one ``RunMachine``.
final class NameUse {
    enum Answer {
        case occurrence(UInt32)
        /// An earlier call of the name is still waiting.
        case pending(StepCall)
    }

    private var occurrences: UInt32 = 0
    private var pending: StepCall?

    func ask(_ call: StepCall, _ duplicates: WorkflowOptions.DuplicateSteps) -> Answer {
        if let pending, duplicates == .refuse { return .pending(pending) }
        pending = call
        defer { occurrences += 1 }
        return .occurrence(occurrences)
    }

    func answered(_ call: StepCall) { if pending === call { pending = nil } }
}

extension StepOperation {
    var recordedKind: RecordedStep.Kind {
        switch self {
        case .run: .run
        case .sleep: .sleep
        case .waitForSignal: .wait
        case .sendSignal: .send
        case .invoke: .invoke
        }
    }
}
