import StepEvents
package import StepLog

/// Random legal commands from a seed: runs that start, step, fail, sleep, wait, invoke, are held, cancelled and end,
/// and signals that are kept, taken and run out.
package struct RandomWorkload: Sendable {
    package private(set) var script: RunScript
    private var generator: SeededGenerator
    private var kept: [(signal: String, at: Timestamp)] = []
    /// Sometimes a payload of this many bytes, for tests of chunks.
    private let largePayload: Int?

    package init(seed: UInt64, largePayload: Int? = nil) {
        generator = SeededGenerator(seed: seed)
        script = RunScript()
        self.largePayload = largePayload
    }

    package mutating func next(observer: (any CommitObserver)? = nil, token: UInt64 = 0) throws -> Command {
        if generator.once(in: 12) { return storeCommand(observer, token) }
        let open = script.states.values.filter { !$0.status.isFinal }.map(\.run).sorted()
        if open.isEmpty || generator.once(in: 8) {
            let key = generator.once(in: 2) ? "key-\(script.lastRun.value)" + longTail() : nil
            return try script.start(
                workflow: generator.once(in: 3) ? "bill" + longTail() : "process-order", key: key,
                input: payload(), observer: observer, token: token
            ).command
        }
        let run = open[generator.below(open.count)]
        var bodies: [EventBody] = []
        var trial = script
        for _ in 0...generator.below(3) {
            // What the state refuses is thrown away: the transition function, not this list, says what is legal.
            let body = candidate(trial.states[run])
            guard let body, (try? trial.command(run, [body])) != nil else { continue }
            bodies.append(body)
        }
        if bodies.isEmpty { return try next(observer: observer, token: token) }
        return try script.command(run, bodies, observer: observer, token: token)
    }

    private mutating func storeCommand(_ observer: (any CommitObserver)?, _ token: UInt64) -> Command {
        if !kept.isEmpty, generator.once(in: 2) {
            let signal = kept.remove(at: generator.below(kept.count))
            let body: EventBody =
                generator.once(in: 2)
                ? .signalTaken(SignalTaken(signal: signal.signal, keptAt: signal.at, by: RunNumber(1)))
                : .signalExpired(SignalExpired(signal: signal.signal, keptAt: signal.at))
            return script.storeCommand([body], observer: observer, token: token)
        }
        let name = "approval-\(generator.below(4))" + longTail()
        let body = SignalKept(
            signal: name, payload: payload(), until: script.time.advanced(by: .seconds(generator.below(1_000))))
        let command = script.storeCommand([.signalKept(body)], observer: observer, token: token)
        kept.append((name, script.time))
        return command
    }

    /// Now and then long enough that a key holds the text in short form.
    private mutating func longTail() -> String {
        generator.once(in: 10) ? String(repeating: "-long", count: 40 + generator.below(50)) : ""
    }

    private mutating func payload() -> Payload {
        if let largePayload, generator.once(in: 20) { return Payload(generator.bytes(largePayload)) }
        return Payload(json: "\"\(generator.text(generator.below(40)))\"")
    }

    private mutating func failure() -> Failure {
        Failure(
            type: "Shop.Declined", message: generator.text(generator.once(in: 10) ? 2_000 : 12),
            causes: [Failure.Cause(type: "Shop.Timeout", message: "after 3 s")], site: "Shop/Order.swift:12")
    }

    private mutating func candidate(_ state: RunState?) -> EventBody? {
        guard let state else { return nil }
        let key = StepKey(scope: generator.once(in: 3) ? "items/0" : "", id: generator.text(6), occurrence: 0)
        let later = script.time.advanced(by: .seconds(1 + generator.below(1_000)))
        if let step = state.open.keys.sorted().randomElement(using: &generator), generator.below(3) > 0 {
            return continuation(of: step, state, later)
        }
        switch generator.below(14) {
        case 0...4: return .stepStarted(StepStarted(step: .new(key), attempt: 1))
        case 5: return .slept(Slept(key: key, until: later))
        case 6, 7:
            return .waitStarted(
                WaitStarted(
                    key: key, signal: "approval-\(generator.below(4))" + longTail(),
                    timeoutAt: generator.once(in: 2) ? later : nil))
        case 8:
            return .invokeStarted(
                InvokeStarted(
                    key: key, workflow: "bill", child: RunID(high: generator.next(), low: generator.next()),
                    childRun: RunNumber(state.run.value + 1_000), timeoutAt: generator.once(in: 2) ? later : nil,
                    cancelsOnTimeout: generator.once(in: 2)))
        case 9: return .runAttemptFailed(RunAttemptFailed(failure: failure(), retryAt: later))
        case 10: return .runHeld(RunHeld(failure: failure()))
        case 11:
            return generator.once(in: 2)
                ? .runCancelRequested(RunCancelRequested(by: "ops", reason: generator.text(8)))
                : .runResumed(RunResumed())
        case 12:
            return .signalSent(
                SignalSent(
                    key: key, signal: "approval-1", payload: payload(), keepUntil: generator.once(in: 2) ? later : nil))
        default: return ending()
        }
    }

    private mutating func mark() -> SignalMark? {
        switch generator.below(3) {
        case 0: .key("k\(generator.below(5))")
        case 1: .step(RunNumber(1 + UInt64(generator.below(20))), StepNumber(1))
        default: nil
        }
    }

    private mutating func ending() -> EventBody {
        switch generator.below(3) {
        case 0: .runSucceeded(RunSucceeded(output: payload()))
        case 1: .runFailed(RunFailed(failure: failure()))
        default: .runCancelled(RunCancelled())
        }
    }

    private mutating func continuation(of step: StepNumber, _ state: RunState, _ later: Timestamp) -> EventBody? {
        switch state.open[step]?.activity {
        case .attempt(let number, let phase):
            switch generator.below(7) {
            case 4: return .stepHeartbeat(StepHeartbeat(step: step, details: payload()))
            case 0: return .stepFailed(StepFailed(step: step, failure: failure(), retryAt: later))
            case 1: return .stepFailed(StepFailed(step: step, failure: failure(), retryAt: nil))
            case 2: return .stepInterrupted(StepInterrupted(step: step, reason: .crash))
            case 3: return .stepCancelled(StepCancelled(step: step))
            default:
                return phase == .running
                    ? .stepSucceeded(StepSucceeded(step: step, result: payload()))
                    : .stepStarted(StepStarted(step: .again(step), attempt: number + 1))
            }
        case .sleep: return generator.once(in: 4) ? .waitCancelled(WaitCancelled(step: step)) : .woke(Woke(step: step))
        case .wait:
            switch generator.below(5) {
            case 4 where state.open[step]?.hasQueuedSignal == false:
                return .signalQueued(SignalQueued(step: step, payload: payload(), mark: mark()))
            case 0: return .waitTimedOut(WaitTimedOut(step: step))
            case 1: return .waitCancelled(WaitCancelled(step: step))
            case 2: return .signalRejected(SignalRejected(step: step, payload: payload(), failure: failure()))
            default:
                return .waitResolved(
                    WaitResolved(step: step, payload: payload(), mark: mark()))
            }
        case .child:
            return .invokeFinished(
                InvokeFinished(step: step, outcome: generator.once(in: 2) ? .succeeded(payload()) : .timedOut))
        case .send: return .signalDelivered(SignalDelivered(step: step, to: RunNumber(0)))
        case nil: return nil
        }
    }
}
