/// What the history of one run amounts to. The only way to change it is ``apply(_:)``, one total transition function
/// that the engine, replay, the log's derived tables and `verify` all use.
///
/// It knows the steps that are open, not those that have ended: a run's state stays small however long it runs.
package struct RunState: Hashable, Sendable {
    package struct OpenStep: Hashable, Sendable {
        package var key: StepKey
        package var activity: Activity
        /// Whether a signal waits for the run's code to come to this wait.
        package var hasQueuedSignal = false

        /// Whether it goes on by itself when its time or its signal comes, and needs nobody until then. A child may
        /// have ended, and a signal may have to be sent again, without this run's history saying so.
        var rests: Bool {
            switch activity {
            case .sleep: true
            case .wait: !hasQueuedSignal
            case .attempt, .child, .send: false
            }
        }
    }

    package enum Activity: Hashable, Sendable {
        case attempt(UInt32, Phase)
        case sleep(until: Timestamp)
        case wait(signal: String, since: Timestamp, timeoutAt: Timestamp?)
        case child(RunNumber, RunID, timeoutAt: Timestamp?)
        case send(signal: String)

        package var isWait: Bool { if case .attempt = self { false } else { true } }

        /// Whether it is an attempt that runs, or that was cut off and not followed by another yet.
        var isUnsettled: Bool {
            switch self {
            case .attempt(_, .running), .attempt(_, .interrupted): true
            default: false
            }
        }
    }

    package enum Phase: Hashable, Sendable {
        case running
        case failed(retryAt: Timestamp)
        case interrupted
    }

    package let run: RunNumber
    package let start: RunStarted
    package let startedAt: Timestamp
    package internal(set) var status: RunStatus = .queued
    /// The sequence that the run's next event will have.
    package internal(set) var nextSequence: UInt32 = 1
    /// The time of its last event.
    package internal(set) var lastTime: Timestamp
    /// How often the workflow function has been begun anew, from 1.
    package internal(set) var attempt: UInt32 = 1
    /// When the function runs again after it threw.
    package internal(set) var retryAt: Timestamp?
    package internal(set) var cancel: RunCancelRequested?
    /// The error of a failed or held run, and of the last failed attempt of one that is to run again.
    package internal(set) var failure: Failure?
    package internal(set) var open: [StepNumber: OpenStep] = [:]
    /// How many of `open` have an attempt, as against those that only wait.
    package internal(set) var openAttempts = 0
    /// How many of those run, or were cut off and not followed by another yet, as against those that failed and wait
    /// for the next.
    package internal(set) var unsettledAttempts = 0
    /// How many of `open` do not rest.
    var busySteps = 0
    /// The sequence of the last outcome that there was for the function; 0 where there was none in this attempt of it.
    var lastOutcome: UInt32 = 0
    /// The last item that the function had been handed when it last asked for a step.
    var lastAfter: UInt32 = 0

    /// Whether the run needs neither its code nor an engine that has read its history until what it waits for comes: a
    /// time, which stands in `timers`, or a signal, which finds it in `signals`.
    ///
    /// The function has had every outcome: steps are begun only when it has nothing left to do, so an outcome is news
    /// to it only if it was not handed over before the last step was asked for. Where it has asked for none since, it
    /// counts as having something to do, which costs a replay.
    package var isAtRest: Bool {
        status == .waiting && cancel == nil && (retryAt != nil || busySteps == 0 && lastOutcome <= lastAfter)
    }

    /// The state after a run's first event.
    ///
    /// - Throws: ``IllegalTransition`` unless `event` is a `runStarted` with sequence 0.
    package init(_ event: Event) throws(IllegalTransition) {
        guard case .runStarted(let start) = event.body else {
            throw IllegalTransition(event, "the first event of a run must be runStarted")
        }
        guard event.sequence == 0 else {
            throw IllegalTransition(event, "the first event of a run must have sequence 0")
        }
        guard event.run != .store else { throw IllegalTransition(event, "run 0 is the store itself") }
        run = event.run
        self.start = start
        startedAt = event.time
        lastTime = event.time
    }

    /// Folds a whole history.
    package init(history: some Sequence<Event>) throws(IllegalTransition) {
        var iterator = history.makeIterator()
        guard let first = iterator.next() else { throw IllegalTransition(emptyHistory: ()) }
        try self.init(first)
        while let event = iterator.next() { try apply(event) }
    }

    /// Whether every open step only waits and there is at least one.
    package var onlyWaits: Bool { openAttempts == 0 && !open.isEmpty }
}

/// What an event changed in a run's state, for tables that are derived from it.
package struct Transition: Sendable {
    package enum Touched: Sendable {
        case nothing
        /// One step; it is `nil` before the event that introduces it.
        case one(StepNumber, RunState.OpenStep?)
        /// All that were open, by the event that ended the run.
        case all([StepNumber: RunState.OpenStep])
    }

    /// The open steps that the event changed, as they were before it.
    package let touched: Touched
    /// Whether the run's row differs: its status, whether it is at rest, its attempt, cancellation or error.
    package let rowChanged: Bool
    /// When the function was to run again, before the event.
    package let retryBefore: Timestamp?
}

/// An event that the run's state does not allow: a bug in what accepted it, or damage.
package struct IllegalTransition: Error, Hashable, Sendable, CustomStringConvertible {
    package let run: RunNumber
    package let sequence: UInt32
    package let kind: EventKind?
    package let reason: String

    init(_ event: Event, _ reason: String) {
        run = event.run
        sequence = event.sequence
        kind = event.kind
        self.reason = reason
    }

    init(emptyHistory: Void) {
        run = .store
        sequence = 0
        kind = nil
        reason = "a run has at least one event"
    }

    package var description: String {
        "run \(run) can't take event \(sequence)\(kind.map { " (\($0.name))" } ?? ""): \(reason)"
    }
}
