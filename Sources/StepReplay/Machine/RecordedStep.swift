import StepCore
import StepEvents

/// What is known of one step: from the history, and from what happened since.
struct RecordedStep {
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
    private var rare = RecordedStep.ordinary

    /// What few steps have. Apart, since steps are looked up, and so copied, several times in each one's life.
    private struct Rare: Sendable {
        var lastFailure: Failure?
        var signal: (name: String, since: Timestamp)?
        var sent: SignalSent?
        var child: (run: RunNumber, id: RunID, cancelsOnTimeout: Bool)?
    }

    private static let ordinary = Boxed(Rare())

    var lastFailure: Failure? {
        get { rare.value.lastFailure }
        set { changeRare { $0.lastFailure = newValue } }
    }
    var signal: (name: String, since: Timestamp)? {
        get { rare.value.signal }
        set { changeRare { $0.signal = newValue } }
    }
    var sent: SignalSent? {
        get { rare.value.sent }
        set { changeRare { $0.sent = newValue } }
    }
    var child: (run: RunNumber, id: RunID, cancelsOnTimeout: Bool)? {
        get { rare.value.child }
        set { changeRare { $0.child = newValue } }
    }

    private mutating func changeRare(_ change: (inout Rare) -> Void) {
        var value = rare.value
        change(&value)
        rare = Boxed(value)
    }

    init(number: StepNumber, key: StepKey, kind: Kind, after: UInt32?) {
        self.number = number
        self.key = key
        self.kind = kind
        self.after = after
    }
}

/// A value on the heap, never changed: copying it is one reference.
private final class Boxed<Value: Sendable>: Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
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
