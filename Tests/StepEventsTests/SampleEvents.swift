import StepEvents

/// One event of each kind, with nothing in it but fixed values; some kinds twice, for their optional fields.
enum SampleEvents {
    static let all: [Event] = bodies.enumerated().map { index, body in
        let isStore = body.kind.belongsToStore
        return Event(
            run: isStore ? .store : RunNumber(7), sequence: isStore ? 0 : UInt32(index == 0 ? 0 : 9),
            time: Timestamp(nanoseconds: 1_772_000_000_123_456_789), after: isStore || index == 0 ? nil : 8, body: body)
    }

    private static let key = StepKey(scope: "items/0", id: "reserve", occurrence: 1)
    private static let step = StepNumber(4)
    private static let time = Timestamp(nanoseconds: 1_772_000_600_000_000_000)
    private static let id = RunID(high: 0x0190_0000_0000_7ABC, low: 0x8000_0000_0000_0001)
    private static let failure = Failure(
        type: "Shop.Declined", message: "no money", fields: Payload(json: "{\"a\":1}"),
        causes: [Failure.Cause(type: "Bank.Error", message: "51")], site: "Shop/Order.swift:12")

    private static let bodies: [EventBody] = [
        .runStarted(
            RunStarted(
                id: id, workflow: "process-order", version: 3, key: "order-1", input: Payload(json: "{}"), seed: 5,
                parent: RunStarted.Parent(id: id, run: RunNumber(2), step: StepNumber(6), detached: true))),
        .runSucceeded(RunSucceeded(output: Payload(json: "42"))),
        .runFailed(RunFailed(failure: failure)),
        .runCancelled(RunCancelled()),
        .runAttemptFailed(RunAttemptFailed(failure: failure, retryAt: time)),
        .runCancelRequested(RunCancelRequested(by: "ops", reason: "typo")),
        .runHeld(RunHeld(failure: failure)),
        .runResumed(RunResumed()),
        .stepStarted(StepStarted(step: .new(key), attempt: 1)),
        .stepStarted(StepStarted(step: .again(step), attempt: 2)),
        .stepSucceeded(StepSucceeded(step: step, result: Payload(json: "true"))),
        .stepFailed(StepFailed(step: step, failure: failure, retryAt: time)),
        .stepFailed(StepFailed(step: step, failure: failure, retryAt: nil)),
        .stepInterrupted(StepInterrupted(step: step, reason: .shutdown)),
        .stepCancelled(StepCancelled(step: step)),
        .slept(Slept(key: key, until: time)),
        .woke(Woke(step: step)),
        .waitStarted(WaitStarted(key: key, signal: "ok", timeoutAt: time)),
        .waitResolved(WaitResolved(step: step, payload: Payload(json: "1"), mark: .key("k"))),
        .waitTimedOut(WaitTimedOut(step: step)),
        .waitCancelled(WaitCancelled(step: step)),
        .signalSent(SignalSent(key: key, signal: "ok", payload: Payload(json: "1"), keepUntil: time)),
        .signalRejected(SignalRejected(step: step, payload: Payload(json: "1"), failure: failure)),
        .signalDelivered(SignalDelivered(step: step, to: RunNumber(3))),
        .signalQueued(
            SignalQueued(step: step, payload: Payload(json: "1"), mark: .step(RunNumber(300), StepNumber(6)))),
        .invokeStarted(
            InvokeStarted(
                key: key, workflow: "bill", child: id, childRun: RunNumber(8), timeoutAt: time, cancelsOnTimeout: true)
        ),
        .invokeFinished(InvokeFinished(step: step, outcome: .succeeded(Payload(json: "2")))),
        .invokeFinished(InvokeFinished(step: step, outcome: .failed(failure))),
        .invokeFinished(InvokeFinished(step: step, outcome: .cancelled)),
        .invokeFinished(InvokeFinished(step: step, outcome: .timedOut)),
        .commitRecord(
            CommitRecord(
                transaction: 11, incarnation: 12, first: LSN(90), chain: [UInt8](repeating: 0xAB, count: 32))),
        .signalKept(SignalKept(signal: "ok", payload: Payload(json: "1"), until: time, mark: .key("k"))),
        .signalTaken(SignalTaken(signal: "ok", keptAt: time, by: RunNumber(3))),
        .signalExpired(SignalExpired(signal: "ok", keptAt: time)),
        .stepInterrupted(StepInterrupted(step: step, reason: .inspection)),
        .stepHeartbeat(StepHeartbeat(step: step, details: Payload(json: #"{"row":7}"#))),
    ]
}

/// The record of an event as it stands in the log at LSN 100, its run's previous event ten before.
func stampedRecord(_ event: Event, lsn: LSN = LSN(100), distance: UInt32 = 10) -> [UInt8] {
    var record = RecordCodec.encode(event)
    record.withUnsafeMutableBytes { RecordCodec.stamp($0, lsn: lsn, distance: distance) }
    return record
}

func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

func bytes(hexadecimal text: String) -> [UInt8] {
    let digits = text.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}
