extension PayloadCodec {
    private typealias Problem = ByteReader.Problem

    /// Reads what ``append(_:sequence:to:)`` wrote; every byte must belong to the event.
    package static func decode(
        _ kind: EventKind, _ payload: ArraySlice<UInt8>, sequence: UInt32
    ) throws(ByteReader.Problem) -> EventBody {
        var reader = ByteReader(payload)
        let body =
            switch kind {
            case .runStarted, .runSucceeded, .runFailed, .runCancelled, .runAttemptFailed, .runCancelRequested,
                .runHeld, .runResumed:
                try runEvent(kind, &reader)
            case .stepStarted, .stepSucceeded, .stepFailed, .stepInterrupted, .stepCancelled, .stepHeartbeat:
                try stepEvent(kind, &reader, sequence)
            case .slept, .woke, .waitStarted, .waitResolved, .waitTimedOut, .waitCancelled, .signalSent,
                .signalRejected, .signalDelivered, .signalQueued:
                try waitEvent(kind, &reader, sequence)
            case .invokeStarted, .invokeFinished: try invokeEvent(kind, &reader, sequence)
            case .commitRecord, .signalKept, .signalTaken, .signalExpired: try storeEvent(kind, &reader)
            }
        try reader.finish()
        return body
    }

    private static func runEvent(_ kind: EventKind, _ reader: inout ByteReader) throws(Problem) -> EventBody {
        switch kind {
        case .runStarted: return .runStarted(try runStarted(&reader))
        case .runSucceeded: return .runSucceeded(RunSucceeded(output: try rest(&reader)))
        case .runFailed: return .runFailed(RunFailed(failure: try failure(&reader)))
        case .runCancelled: return .runCancelled(RunCancelled())
        case .runAttemptFailed:
            let retryAt = try reader.time()
            return .runAttemptFailed(RunAttemptFailed(failure: try failure(&reader), retryAt: retryAt))
        case .runCancelRequested:
            let by = try reader.text("canceller", limit: Limits.errorMessageBytes)
            let reason = try reader.text("reason", limit: Limits.errorMessageBytes)
            return .runCancelRequested(RunCancelRequested(by: by, reason: reason))
        case .runHeld: return .runHeld(RunHeld(failure: try failure(&reader)))
        default: return .runResumed(RunResumed())
        }
    }

    private static func stepEvent(
        _ kind: EventKind, _ reader: inout ByteReader, _ sequence: UInt32
    ) throws(Problem) -> EventBody {
        switch kind {
        case .stepStarted:
            let attempt = try reader.varint32("attempt")
            let distance = try reader.varint32("step")
            if distance == 0 { return .stepStarted(StepStarted(step: .new(try key(&reader)), attempt: attempt)) }
            return .stepStarted(StepStarted(step: .again(try number(distance, sequence)), attempt: attempt))
        case .stepSucceeded:
            let step = try step(&reader, sequence)
            return .stepSucceeded(StepSucceeded(step: step, result: try rest(&reader)))
        case .stepFailed:
            let step = try step(&reader, sequence)
            let retryAt = try reader.optional { reader throws(Problem) in try reader.time() }
            return .stepFailed(StepFailed(step: step, failure: try failure(&reader), retryAt: retryAt))
        case .stepInterrupted:
            let step = try step(&reader, sequence)
            let raw = try reader.byte()
            guard let reason = StepInterrupted.Reason(rawValue: raw) else {
                throw .unknown(what: "reason of an interruption", value: UInt64(raw))
            }
            return .stepInterrupted(StepInterrupted(step: step, reason: reason))
        case .stepHeartbeat:
            let step = try step(&reader, sequence)
            return .stepHeartbeat(StepHeartbeat(step: step, details: try rest(&reader)))
        default: return .stepCancelled(StepCancelled(step: try step(&reader, sequence)))
        }
    }

    private static func waitEvent(
        _ kind: EventKind, _ reader: inout ByteReader, _ sequence: UInt32
    ) throws(Problem) -> EventBody {
        switch kind {
        case .slept:
            let key = try key(&reader)
            return .slept(Slept(key: key, until: try reader.time()))
        case .woke: return .woke(Woke(step: try step(&reader, sequence)))
        case .signalDelivered:
            let step = try step(&reader, sequence)
            return .signalDelivered(SignalDelivered(step: step, to: RunNumber(try reader.varint())))
        case .waitTimedOut: return .waitTimedOut(WaitTimedOut(step: try step(&reader, sequence)))
        case .waitCancelled: return .waitCancelled(WaitCancelled(step: try step(&reader, sequence)))
        case .waitStarted:
            let key = try key(&reader)
            let signal = try reader.text("signal name", limit: Limits.signalNameBytes)
            let timeoutAt = try reader.optional { reader throws(Problem) in try reader.time() }
            return .waitStarted(WaitStarted(key: key, signal: signal, timeoutAt: timeoutAt))
        case .waitResolved:
            let step = try step(&reader, sequence)
            let mark = try mark(&reader)
            return .waitResolved(WaitResolved(step: step, payload: try rest(&reader), mark: mark))
        case .signalQueued:
            let step = try step(&reader, sequence)
            let mark = try mark(&reader)
            return .signalQueued(SignalQueued(step: step, payload: try rest(&reader), mark: mark))
        case .signalSent:
            let key = try key(&reader)
            let signal = try reader.text("signal name", limit: Limits.signalNameBytes)
            let keepUntil = try reader.optional { reader throws(Problem) in try reader.time() }
            return .signalSent(
                SignalSent(key: key, signal: signal, payload: try rest(&reader), keepUntil: keepUntil))
        default:
            let step = try step(&reader, sequence)
            let failure = try failure(&reader)
            return .signalRejected(SignalRejected(step: step, payload: try rest(&reader), failure: failure))
        }
    }

    private static func invokeEvent(
        _ kind: EventKind, _ reader: inout ByteReader, _ sequence: UInt32
    ) throws(Problem) -> EventBody {
        if kind == .invokeStarted {
            return .invokeStarted(
                InvokeStarted(
                    key: try key(&reader), workflow: try reader.text("workflow", limit: Limits.idBytes),
                    child: try runID(&reader), childRun: RunNumber(try reader.varint()),
                    timeoutAt: try reader.optional { reader throws(Problem) in try reader.time() },
                    cancelsOnTimeout: try flag(&reader)))
        }
        let step = try step(&reader, sequence)
        let outcome: InvokeFinished.Outcome
        switch try reader.byte() {
        case 0: outcome = .succeeded(try rest(&reader))
        case 1: outcome = .failed(try failure(&reader))
        case 2: outcome = .cancelled
        case 3: outcome = .timedOut
        case let other: throw .unknown(what: "outcome of a child", value: UInt64(other))
        }
        return .invokeFinished(InvokeFinished(step: step, outcome: outcome))
    }

    private static func storeEvent(_ kind: EventKind, _ reader: inout ByteReader) throws(Problem) -> EventBody {
        switch kind {
        case .commitRecord:
            return .commitRecord(
                CommitRecord(
                    transaction: try reader.fixed(), incarnation: try reader.fixed(), first: LSN(try reader.fixed()),
                    chain: try reader.raw(32)))
        case .signalKept:
            let signal = try reader.text("signal name", limit: Limits.signalNameBytes)
            let until = try reader.time()
            let mark = try mark(&reader)
            return .signalKept(SignalKept(signal: signal, payload: try rest(&reader), until: until, mark: mark))
        case .signalTaken:
            return .signalTaken(
                SignalTaken(
                    signal: try reader.text("signal name", limit: Limits.signalNameBytes),
                    keptAt: try reader.time(), by: RunNumber(try reader.varint())))
        default:
            return .signalExpired(
                SignalExpired(
                    signal: try reader.text("signal name", limit: Limits.signalNameBytes), keptAt: try reader.time()))
        }
    }

    // MARK: Parts

    private static func mark(_ reader: inout ByteReader) throws(Problem) -> SignalMark? {
        switch try reader.byte() {
        case 0: return nil
        case 1: return .key(try reader.text("idempotency key", limit: Limits.idBytes))
        case 2:
            let run = RunNumber(try reader.varint())
            return .step(run, StepNumber(try reader.varint32("step")))
        case let other: throw .unknown(what: "mark of a signal", value: UInt64(other))
        }
    }

    private static func runStarted(_ reader: inout ByteReader) throws(Problem) -> RunStarted {
        let id = try runID(&reader)
        let workflow = try reader.text("workflow", limit: Limits.idBytes)
        let version = try reader.varint32("version")
        let key = try reader.optional { reader throws(Problem) in try reader.text("run key", limit: Limits.idBytes) }
        let seed = try reader.fixed(UInt64.self)
        let parent = try reader.optional { reader throws(Problem) in
            RunStarted.Parent(
                id: try runID(&reader), run: RunNumber(try reader.varint()),
                step: StepNumber(try reader.varint32("step")), detached: try flag(&reader))
        }
        return RunStarted(
            id: id, workflow: workflow, version: version, key: key, input: try rest(&reader), seed: seed,
            parent: parent)
    }

    package static func failure(_ reader: inout ByteReader) throws(ByteReader.Problem) -> Failure {
        let type = try reader.text("error type", limit: Limits.errorMessageBytes)
        let message = try reader.text("error message", limit: Limits.errorMessageBytes)
        let fields = try reader.optional { reader throws(Problem) in
            Payload(try reader.data("error fields", limit: Limits.maximumPayloadBytes))
        }
        let count = try reader.varint()
        guard count <= UInt64(Limits.errorCauses) else {
            throw .tooLong(what: "chain of causes", count: count, limit: Limits.errorCauses)
        }
        var causes: [Failure.Cause] = []
        for _ in 0..<count {
            causes.append(
                Failure.Cause(
                    type: try reader.text("error type", limit: Limits.errorMessageBytes),
                    message: try reader.text("error message", limit: Limits.errorMessageBytes)))
        }
        let site = try reader.text("call site", limit: Limits.errorMessageBytes)
        return Failure(type: type, message: message, fields: fields, causes: causes, site: site)
    }

    package static func runID(_ reader: inout ByteReader) throws(ByteReader.Problem) -> RunID {
        let high = try reader.fixed(UInt64.self)
        return RunID(high: high, low: try reader.fixed(UInt64.self))
    }

    private static func key(_ reader: inout ByteReader) throws(Problem) -> StepKey {
        let scope = try reader.text("scope", limit: Limits.scopeBytes)
        let id = try reader.text("step id", limit: Limits.idBytes)
        return StepKey(scope: scope, id: id, occurrence: try reader.varint32("occurrence"))
    }

    private static func step(_ reader: inout ByteReader, _ sequence: UInt32) throws(Problem) -> StepNumber {
        try number(try reader.varint32("step"), sequence)
    }

    private static func number(_ distance: UInt32, _ sequence: UInt32) throws(Problem) -> StepNumber {
        guard distance > 0, distance <= sequence else { throw .unknown(what: "step", value: UInt64(distance)) }
        return StepNumber(sequence - distance)
    }

    private static func flag(_ reader: inout ByteReader) throws(Problem) -> Bool {
        switch try reader.byte() {
        case 0: return false
        case 1: return true
        case let other: throw .unknown(what: "flag", value: UInt64(other))
        }
    }

    private static func rest(_ reader: inout ByteReader) throws(Problem) -> Payload {
        Payload(try reader.raw(reader.left))
    }
}
