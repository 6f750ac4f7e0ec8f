import StepEvents
import StepLog

/// Turns events as they are logged into events as users see them.
struct EventTranslation: Sendable {
    private var resolver = StepResolver()

    /// Takes the next event of a log, or of a run's history.
    mutating func translate(_ logged: LoggedEvent, _ store: EventStore) throws -> RecordedEvent {
        var event = RecordedEvent(logged)
        if let place = try resolver.resolve(logged, store) {
            event.run = place.run.id
            event.workflow = place.run.workflow
            event.key = place.run.key
            event.sequence = logged.event.sequence
            event.step = place.step?.key
            event.attempt = place.step?.attempt
        }
        event.fill(logged.event.body)
        if let recipient = logged.event.body.recipient {
            event.recipient = try store.read { try $0.run(recipient)?.id }
        }
        return event
    }
}

extension EventBody {
    /// The run that a signal reached.
    fileprivate var recipient: RunNumber? {
        switch self {
        case .signalDelivered(let body): body.to == .store ? nil : body.to
        case .signalTaken(let body): body.by
        default: nil
        }
    }
}

extension RecordedEvent {
    fileprivate mutating func fill(_ body: EventBody) {
        switch body {
        case .runStarted(let body):
            version = body.version
            parent = body.parent?.id
            data = body.input.bytes
        case .runSucceeded(let body): data = body.output.bytes
        case .runFailed(let body): error = body.failure
        case .runAttemptFailed(let body):
            error = body.failure
            retryAt = body.retryAt
        case .runCancelRequested(let body):
            by = body.by
            reason = body.reason
        case .runHeld(let body): error = body.failure
        case .stepSucceeded(let body): data = body.result.bytes
        case .stepFailed(let body):
            error = body.failure
            retryAt = body.retryAt
        case .stepInterrupted(let body): reason = body.reason.name
        case .stepHeartbeat(let body): data = body.details.bytes
        case .slept(let body): until = body.until
        case .waitStarted(let body):
            signal = body.signal
            timeoutAt = body.timeoutAt
        case .waitResolved(let body):
            data = body.payload.bytes
            idempotencyKey = body.mark?.key
        case .signalQueued(let body):
            data = body.payload.bytes
            idempotencyKey = body.mark?.key
        case .signalSent(let body):
            signal = body.signal
            data = body.payload.bytes
            until = body.keepUntil
        case .signalRejected(let body):
            data = body.payload.bytes
            error = body.failure
        case .invokeStarted(let body):
            child = body.child
            childWorkflow = body.workflow
            timeoutAt = body.timeoutAt
        case .invokeFinished(let body): fill(body.outcome)
        case .runCancelled, .runResumed, .stepStarted, .stepCancelled, .woke, .waitTimedOut, .waitCancelled,
            .signalDelivered:
            break
        case .commitRecord, .signalKept, .signalTaken, .signalExpired: fillFromStore(body)
        }
    }

    private mutating func fill(_ outcome: InvokeFinished.Outcome) {
        switch outcome {
        case .succeeded(let output):
            self.outcome = "succeeded"
            data = output.bytes
        case .failed(let failure):
            self.outcome = "failed"
            error = failure
        case .cancelled: self.outcome = "cancelled"
        case .timedOut: self.outcome = "timedOut"
        }
    }

    private mutating func fillFromStore(_ body: EventBody) {
        switch body {
        case .commitRecord(let body):
            commit = Commit(
                transaction: body.transaction, incarnation: body.incarnation, first: body.first, chain: body.chain)
        case .signalKept(let body):
            signal = body.signal
            data = body.payload.bytes
            until = body.until
            idempotencyKey = body.mark?.key
        case .signalTaken(let body):
            signal = body.signal
            keptAt = body.keptAt
        case .signalExpired(let body):
            signal = body.signal
            keptAt = body.keptAt
        default: break
        }
    }
}

extension StepInterrupted.Reason {
    fileprivate var name: String {
        switch self {
        case .crash: "crash"
        case .shutdown: "shutdown"
        case .notBegun: "notBegun"
        case .inspection: "inspection"
        }
    }
}
