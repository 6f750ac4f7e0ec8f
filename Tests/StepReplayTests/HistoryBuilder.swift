import StepCore
import StepEvents

/// Writes the history of one run, an event each second, and refuses what the transition function refuses.
struct HistoryBuilder {
    static let run = RunNumber(7)
    static let runID = RunID(high: 0x0190_0000_0000_7001, low: 0x8000_0000_0000_0001)
    static let beginning = Timestamp(nanoseconds: 1_772_000_000_000_000_000)

    private(set) var events: [Event] = []
    /// The sequence of the last outcome: what a sequential workflow was handed last.
    private(set) var lastOutcome: UInt32 = 0

    init(input: Payload = .null, seed: UInt64 = 11) {
        add(
            .runStarted(
                RunStarted(id: Self.runID, workflow: "flow", version: 1, key: nil, input: input, seed: seed)))
    }

    init(_ events: [Event]) { self.events = events }

    static func second(_ seconds: Double) -> Timestamp {
        beginning.advanced(by: .milliseconds(Int64(seconds * 1_000)))
    }

    /// The time of the last event.
    var time: Timestamp { events.last?.time ?? Self.beginning }

    @discardableResult
    mutating func add(_ body: EventBody, after: UInt32? = nil, at time: Timestamp? = nil) -> UInt32 {
        let sequence = UInt32(events.count)
        events.append(
            Event(
                run: Self.run, sequence: sequence, time: time ?? Self.second(Double(sequence)), after: after,
                body: body))
        return sequence
    }

    static func key(_ id: String, _ occurrence: UInt32 = 0, in scope: String = "") -> StepKey {
        StepKey(scope: scope, id: id, occurrence: occurrence)
    }

    // MARK: Steps with a body

    /// The code asked for the step after the last outcome, unless `after` says otherwise.
    @discardableResult
    mutating func started(
        _ id: String, _ occurrence: UInt32 = 0, in scope: String = "", after: UInt32? = nil
    ) -> StepNumber {
        let key = Self.key(id, occurrence, in: scope)
        return StepNumber(
            add(.stepStarted(StepStarted(step: .new(key), attempt: 1)), after: after ?? lastOutcome))
    }

    mutating func startedAgain(_ step: StepNumber, attempt: UInt32) {
        add(.stepStarted(StepStarted(step: .again(step), attempt: attempt)))
    }

    mutating func succeeded(_ step: StepNumber, _ json: String) {
        lastOutcome = add(.stepSucceeded(StepSucceeded(step: step, result: Payload(json: json))))
    }

    mutating func failed(_ step: StepNumber, retryIn seconds: Double? = nil, message: String = "no") {
        let failure = Failure(type: "Tests.Broken", message: message)
        let retryAt = seconds.map { Self.second(Double(events.count) + $0) }
        let sequence = add(.stepFailed(StepFailed(step: step, failure: failure, retryAt: retryAt)))
        if retryAt == nil { lastOutcome = sequence }
    }

    mutating func interrupted(_ step: StepNumber, _ reason: StepInterrupted.Reason = .crash) {
        add(.stepInterrupted(StepInterrupted(step: step, reason: reason)))
    }

    mutating func beat(_ step: StepNumber, _ json: String) {
        add(.stepHeartbeat(StepHeartbeat(step: step, details: Payload(json: json))))
    }

    mutating func cancelled(_ step: StepNumber) { lastOutcome = add(.stepCancelled(StepCancelled(step: step))) }

    /// A step that ran once and succeeded.
    mutating func finished(_ id: String, _ json: String, occurrence: UInt32 = 0, in scope: String = "") {
        succeeded(started(id, occurrence, in: scope), json)
    }

    // MARK: Waits

    mutating func slept(_ id: String, untilSecond second: Double, after: UInt32? = nil) -> StepNumber {
        StepNumber(
            add(.slept(Slept(key: Self.key(id), until: Self.second(second))), after: after ?? lastOutcome))
    }

    mutating func woke(_ step: StepNumber) { lastOutcome = add(.woke(Woke(step: step))) }

    mutating func waits(_ id: String, _ signal: String, timeoutSecond: Double? = nil) -> StepNumber {
        StepNumber(
            add(
                .waitStarted(
                    WaitStarted(key: Self.key(id), signal: signal, timeoutAt: timeoutSecond.map { Self.second($0) })),
                after: lastOutcome))
    }

    mutating func sends(_ id: String, _ signal: String, _ json: String) -> StepNumber {
        StepNumber(
            add(
                .signalSent(
                    SignalSent(key: Self.key(id), signal: signal, payload: Payload(json: json), keepUntil: nil)),
                after: lastOutcome))
    }

    mutating func invokes(_ id: String, child: UInt64, timeoutSecond: Double? = nil, cancels: Bool = false)
        -> StepNumber
    {
        StepNumber(
            add(
                .invokeStarted(
                    InvokeStarted(
                        key: Self.key(id), workflow: "child", child: RunID(high: 1, low: child),
                        childRun: RunNumber(child), timeoutAt: timeoutSecond.map { Self.second($0) },
                        cancelsOnTimeout: cancels)), after: lastOutcome))
    }

    // MARK: The run

    mutating func cancelRequested() { add(.runCancelRequested(RunCancelRequested(by: "ops", reason: "why not"))) }

    mutating func attemptFailed(retryIn seconds: Double) {
        let retryAt = Self.second(Double(events.count) + seconds)
        add(
            .runAttemptFailed(
                RunAttemptFailed(failure: Failure(type: "Tests.Broken", message: "no"), retryAt: retryAt)))
        lastOutcome = 0
    }
}
