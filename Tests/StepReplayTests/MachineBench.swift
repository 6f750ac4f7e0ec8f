import StepCore
import StepEvents
import StepReplay
import Testing

/// Drives a machine by hand, and reads its decisions as lines of text: history in, decisions out.
final class MachineBench {
    var machine: RunMachine
    var time: Timestamp
    private var nextOffer: UInt64 = 0

    init(
        _ history: HistoryBuilder = HistoryBuilder(), options: WorkflowOptions = WorkflowOptions(),
        maxInterruptions: Int = 10, secondsLater: Double = 0
    ) throws {
        machine = try RunMachine(
            history: history.events,
            settings: MachineSettings(
                options: options, maxInterruptions: maxInterruptions, allocateRun: { RunNumber(99) }))
        time = history.time.advanced(by: .milliseconds(Int64(secondsLater * 1_000)))
    }

    var state: RunState { machine.state }
    var now: Timestamp { machine.now }
    var isReplaying: Bool { machine.isReplaying }
    var isAway: Bool { machine.isAway }
    var onlyWaits: Bool { machine.onlyWaits }
    var hasRunningBodies: Bool { machine.hasRunningBodies }

    /// Asks for the run's cancellation; returns whether that is news.
    func cancelRun() -> Bool { machine.cancelRun(by: "ops", reason: "", at: time) }

    // MARK: What the code does

    func ask(
        _ id: String, _ operation: StepOperation, in scope: String = "", line: UInt = 1, isCancelled: Bool = false
    ) -> StepCall {
        let call = StepCall(
            scope: scope, id: id, operation: operation, site: CallSite(fileID: "Tests/Flow.swift", line: line))
        machine.ask(call, isCancelled: isCancelled)
        return call
    }

    func run(
        _ id: String, in scope: String = "", retry: RetryPolicy = RetryPolicy(jitter: 0), timeout: Duration? = nil,
        _ interruption: RunStep.Interruption = .retry, line: UInt = 1, isCancelled: Bool = false
    ) -> StepCall {
        ask(
            id, .run(RunStep(retry: retry, timeout: timeout, interruption: interruption)), in: scope, line: line,
            isCancelled: isCancelled)
    }

    func sleep(_ id: String, seconds: Double) -> StepCall {
        ask(id, .sleep(.duration(.milliseconds(Int64(seconds * 1_000)))))
    }

    func wait(_ id: String, _ signal: String, timeout: Duration? = nil) -> StepCall {
        ask(
            id,
            .waitForSignal(
                WaitForSignalStep(
                    signal: signal, timeout: timeout, check: { _ = try PayloadCoder.decode(Int.self, from: $0) })))
    }

    func send(_ id: String, _ signal: String, _ json: String, keep: Duration? = nil) -> StepCall {
        ask(id, .sendSignal(SendSignalStep(signal: signal, payload: Payload(json: json), keep: keep)))
    }

    func invoke(_ id: String, timeout: Duration? = nil, cancels: Bool = false, detached: Bool = false)
        -> StepCall
    {
        ask(
            id,
            .invoke(
                InvokeStep(
                    workflow: "child", version: 1, input: .null, timeout: timeout, cancelsOnTimeout: cancels,
                    detached: detached)))
    }

    // MARK: What happens

    /// One item handed over, or what was asked for begun.
    func handOver() -> [String] {
        _ = machine.handOver(at: time)
        return decisions()
    }

    /// All that is recorded is handed over, everything asked for begun, every event durable.
    func settle() -> [String] {
        var lines: [String] = []
        while true {
            while machine.handOver(at: time) { lines += decisions() }
            lines += decisions()
            let last = machine.state.nextSequence - 1
            if machine.durableThrough >= last { return lines }
            machine.committed(through: last, at: time)
            lines += decisions()
        }
    }

    func succeed(_ call: StepCall, attempt: UInt32 = 1, _ json: String) {
        machine.attemptEnded(call, attempt: attempt, outcome: .succeeded(Payload(json: json)), at: time)
    }

    func fail(
        _ call: StepCall, attempt: UInt32 = 1, _ decision: RetryDecision = .byPolicy, message: String = "no"
    ) {
        machine.attemptEnded(
            call, attempt: attempt,
            outcome: .failed(Failure(type: "Tests.Broken", message: message), retry: decision), at: time)
    }

    /// Returns the sequence of the event, or the type of the error that the body is told.
    func beat(_ call: StepCall, attempt: UInt32 = 1, _ json: String) -> String {
        do {
            let details = Payload(json: json)
            return "\(try machine.heartbeat(call, attempt: attempt, details: details, at: time))"
        } catch {
            return "\(type(of: error))"
        }
    }

    func fire(_ step: UInt32, _ purpose: MachineTimer.Purpose = .due, after seconds: Double = 0) {
        time = time.advanced(by: .milliseconds(Int64(seconds * 1_000)))
        machine.timerFired(MachineTimer(step: StepNumber(step), purpose: purpose, due: time, wait: nil), at: time)
    }

    func offer(_ step: UInt32, _ json: String) {
        nextOffer += 1
        machine.offer(
            SignalOffer(id: nextOffer, step: StepNumber(step), payload: Payload(json: json), mark: nil),
            at: time)
    }

    /// The decisions since the last call; without the housekeeping of timers that are no longer needed.
    func decisions() -> [String] {
        machine.takeActions().compactMap { action in
            if case .clearTimers = action { return nil }
            return line(action)
        }
    }

    /// The steps whose timers are no longer needed.
    func clearedTimers() -> [UInt32] {
        machine.takeActions().compactMap { action in
            if case .clearTimers(let step) = action { step.sequence } else { nil }
        }
    }

    // MARK: Reading decisions

    private func line(_ action: MachineAction) -> String {
        switch action {
        case .append(let event, _, _): "\(event.sequence) \(Self.line(event))"
        case .answer(let call, let directive): Self.line(call, directive)
        case .cancelFunction: "cancel function"
        case .cancelAttempt(let call, let attempt): "cancel \(call.id)#\(attempt)"
        case .setTimer(let timer): "timer \(timer.step) \(Self.line(timer.purpose)) in \(since(timer.due))"
        case .clearTimers(let step): "clear \(step)"
        case .awaitSignal(let step, let signal, _): "await signal \(signal) for \(step)"
        case .stopAwaitingSignal(let step, let signal, _): "stop awaiting \(signal) for \(step)"
        case .answerOffer(let offer, let verdict): "offer \(offer.id) \(Self.line(verdict))"
        case .answerCancel(_, let isNews): "cancel answered \(isNews)"
        case .bounce(.offer(let offer)): "bounce offer \(offer.id)"
        case .bounce: "bounce"
        case .parkRefused: "park refused"
        case .deliverSignal(let step, let sent, _): "send \(sent.signal) \(sent.payload) for \(step)"
        case .startChild(let run, let started): "start child \(run) \(started.workflow)"
        case .awaitChild(let step, let run): "await child \(run) for \(step)"
        case .cancelChild(let run, _): "cancel child \(run)"
        case .awaitTurn(let step): "await turn \(step)"
        case .endTurn(let step): "end turn \(step)"
        case .report(let report): "report \(Self.line(report))"
        case .ended(let end): "ended \(line(end))"
        }
    }

    private func since(_ due: Timestamp) -> String {
        let seconds = Double(time.duration(to: due).clampedNanoseconds) / 1e9
        return "\((seconds * 1_000).rounded() / 1_000)s"
    }

    private static func line(_ event: Event) -> String {
        let after = event.after.map { " after \($0)" } ?? ""
        let detail: String =
            switch event.body {
            case .stepStarted(let body): "#\(body.attempt)"
            case .stepFailed(let body): body.retryAt == nil ? " final" : " retry"
            case .stepInterrupted(let body): " \(body.reason)"
            case .stepHeartbeat(let body): " \(body.details)"
            default: ""
            }
        return event.kind.name + detail + after
    }

    private static func line(_ call: StepCall, _ directive: StepDirective) -> String {
        switch directive {
        case .execute(let facts): "execute \(facts.key)#\(facts.attempt)" + heartbeat(facts)
        case .inspect(let facts): "inspect \(facts.key)#\(facts.attempt)" + heartbeat(facts)
        case .deliver(let payload): "deliver \(call.id) \(payload.map { "\($0)" } ?? "nil")"
        case .fail(let error as StepError): "fail \(call.id) StepError(\(error.message)) after \(error.attempts)"
        case .fail(let error): "fail \(call.id) \(type(of: error))"
        }
    }

    private static func heartbeat(_ facts: AttemptFacts) -> String {
        facts.lastHeartbeat.map { " from \($0)" } ?? ""
    }

    private static func line(_ purpose: MachineTimer.Purpose) -> String {
        switch purpose {
        case .due: "due"
        case .attemptTimeout(let attempt): "timeout#\(attempt)"
        case .abandon(let attempt): "abandon#\(attempt)"
        case .claim: "claim"
        }
    }

    private static func line(_ verdict: SignalVerdict) -> String {
        switch verdict {
        case .accepted: "accepted"
        case .rejected: "rejected"
        case .notWaiting: "not waiting"
        case .cannotWake: "cannot wake"
        }
    }

    private static func line(_ report: MachineReport) -> String {
        switch report {
        case .order(let key, let recorded, let found, _): "order \(key) recorded \(recorded) found \(found)"
        case .lateResult(let key, let attempt): "late \(key)#\(attempt)"
        case .abandoned(let key, let attempt): "abandoned \(key)#\(attempt)"
        case .unused(let count): "unused \(count)"
        case .broken(let error): "broken \(error)"
        case .unwinding(let report): "unwinding \(report)"
        }
    }

    private func line(_ end: MachineEnd) -> String {
        switch end {
        case .succeeded(let output): "succeeded \(output)"
        case .failed(let failure): "failed \(failure.message)"
        case .cancelled: "cancelled"
        case .retry(let time): "retry in \(since(time))"
        case .held(let failure): "held \(failure.type)"
        case .unwound: "unwound"
        }
    }
}
