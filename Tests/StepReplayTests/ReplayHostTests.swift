import Logging
import StepCore
import StepEvents
import StepReplay
import TestSupport
import Testing

/// The request and response form: a history in, what the code asks for out.
@Suite struct ReplayHostTests {
    private static let client = ClientOptions(
        clientID: "test", logger: Logger(label: "t") { _ in SwiftLogNoOpLogHandler() })

    private static func host(
        _ body: @escaping @Sendable (WorkflowContext<Int>, Step) async throws -> Int
    ) -> ReplayHost { ReplayHost(flow(body), client: client) }

    private static func new(_ answer: ReplayHost.Answer) -> [String] {
        guard case .waits(let new, _) = answer.outcome else { return ["ended"] }
        return new.map { "\($0.key) \($0.operation.name) after \($0.after)" }
    }

    private static func open(_ answer: ReplayHost.Answer) -> [UInt32] {
        guard case .waits(_, let open) = answer.outcome else { return [] }
        return open.map(\.sequence)
    }

    private static func history() -> HistoryBuilder { HistoryBuilder(input: Payload(json: "5")) }

    @Test func itSaysWhichNewStepsTheCodeAsksForAndStartsNone() async throws {
        let host = Self.host { _, step in
            async let left = step.run("left") { () -> Int in
                Issue.record("a body ran")
                return 1
            }
            try await step.sleep("nap", for: .seconds(1))
            return try await left
        }
        let answer = try await host.answer(Self.history().events)
        #expect(Set(Self.new(answer)) == ["left step.run after 0", "nap step.sleep after 0"])
        #expect(answer.events.isEmpty && Self.open(answer).isEmpty)
    }

    @Test func whatIsRecordedIsNotAskedForAgain() async throws {
        let host = Self.host { context, step in
            let a = try await step.run("a") { 1 }
            try await step.sleep("nap", for: .seconds(1))
            return a + context.input
        }
        var history = Self.history()
        history.finished("a", "37")
        #expect(try await Self.new(host.answer(history.events)) == ["nap step.sleep after 2"])
        let nap = history.slept("nap", untilSecond: 10)
        let waiting = try await host.answer(history.events)
        #expect(Self.new(waiting) == [] && Self.open(waiting) == [3])
        history.woke(nap)
        let ended = try await host.answer(history.events)
        guard case .ended(.succeeded(let output)) = ended.outcome else {
            Issue.record("\(ended)")
            return
        }
        #expect(output == Payload(json: "42") && ended.events.map(\.kind) == [.runSucceeded])
    }

    @Test func aFinishedHistoryIsNotExecuted() async throws {
        let host = Self.host { _, _ in
            Issue.record("the function ran")
            return 0
        }
        var history = Self.history()
        history.add(.runSucceeded(RunSucceeded(output: Payload(json: "7"))))
        let answer = try await host.answer(history.events)
        guard case .ended(.succeeded(Payload(json: "7"))) = answer.outcome else {
            Issue.record("\(answer)")
            return
        }
        #expect(answer.events.isEmpty)
    }

    @Test func whatTheCodeCancelsIsPartOfTheAnswer() async throws {
        let host = Self.host { _, step in
            try await withThrowingTaskGroup(of: Int.self) { group in
                group.addTask {
                    try await step.sleep("short", for: .seconds(1))
                    return 1
                }
                group.addTask {
                    try await step.sleep("long", for: .seconds(9))
                    return 9
                }
                let first = try await group.next() ?? 0
                group.cancelAll()
                return first
            }
        }
        var history = Self.history()
        let short = history.slept("short", untilSecond: 3, after: 0)
        _ = history.slept("long", untilSecond: 12, after: 0)
        history.woke(short)
        let answer = try await host.answer(history.events)
        #expect(answer.events.map(\.kind) == [.waitCancelled, .runSucceeded])
        _ = try RunState(history: history.events + answer.events)
    }

    @Test func codeAndHistoryThatDoNotFitHoldTheRun() async throws {
        let host = Self.host { _, step in
            try await step.sleep("a", for: .seconds(1))
            return 0
        }
        var history = Self.history()
        history.finished("a", "37")
        let answer = try await host.answer(history.events)
        guard case .ended(.held(let failure)) = answer.outcome else {
            Issue.record("\(answer)")
            return
        }
        #expect(failure.type == "StepCore.DivergenceError")
    }

    @Test func anImpossibleHistoryIsRefused() async throws {
        let host = Self.host { _, _ in 0 }
        await #expect(throws: IllegalTransition.self) { _ = try await host.answer([]) }
    }

    @Test func workOutsideOfStepsIsWaitedFor() async throws {
        let host = Self.host { context, step in
            let foreign = await context.outside("foreign") { await Task.detached { 30 }.value }
            let plain = await Task.detached { 7 }.value
            return try await step.run("a") { 1 } + foreign + plain
        }
        #expect(try await Self.new(host.answer(Self.history().events)) == ["a step.run after 0"])
        var history = Self.history()
        history.finished("a", "5")
        guard case .ended(.succeeded(Payload(json: "42"))) = try await host.answer(history.events).outcome else {
            Issue.record("the function did not end")
            return
        }
    }

    // MARK: Executing

    @Test func aStepThatIsAskedForIsExecuted() async throws {
        let host = Self.host { context, step in
            let a = try await step.run("a") { 1 }
            return try await step.run("b") { (body: StepContext) in a + context.input + body.attempt }
        }
        var history = Self.history()
        history.finished("a", "30")
        let facts = AttemptFacts(key: HistoryBuilder.key("b"), attempt: 7, lastFailure: nil)
        guard case .succeeded(Payload(json: "42")) = try await host.execute(facts, after: history.events) else {
            Issue.record("the body gave something else")
            return
        }
    }

    @Test func aStepThatIsNotAskedForIsRefused() async throws {
        let host = Self.host { _, step in try await step.run("a") { 1 } }
        var facts = AttemptFacts(key: HistoryBuilder.key("b"), attempt: 1, lastFailure: nil)
        await #expect(throws: ReplayHost.NotAskedFor.self) {
            _ = try await host.execute(facts, after: Self.history().events)
        }
        var history = Self.history()
        history.add(.runFailed(RunFailed(failure: Failure(type: "T", message: "m"))))
        facts.key = HistoryBuilder.key("a")
        await #expect(throws: ReplayHost.NotAskedFor.self) { _ = try await host.execute(facts, after: history.events) }
    }

    /// A request has one answer, so there is nowhere to record a heartbeat; what the driver knows of one is passed on.
    @Test func aHeartbeatIsRefusedAndTheBodyGoesOn() async throws {
        let host = Self.host { _, step in
            try await step.run("a") { (body: StepContext) in
                do {
                    try await body.heartbeat(1)
                    return -1
                } catch is UnsupportedByDriver {
                    return try body.lastHeartbeat(as: Int.self) ?? 0
                }
            }
        }
        let facts = AttemptFacts(
            key: HistoryBuilder.key("a"), attempt: 2, lastFailure: nil, lastHeartbeat: Payload(json: "42"))
        guard case .succeeded(Payload(json: "42")) = try await host.execute(facts, after: Self.history().events) else {
            Issue.record("the body gave something else")
            return
        }
    }

    @Test func aHistoryWithHeartbeatsAsksForTheSame() async throws {
        let host = Self.host { _, step in
            async let left = step.run("left") { 1 }
            let right = try await step.run("right") { 2 }
            return try await left + right
        }
        var history = Self.history()
        let left = history.started("left", after: 0)
        history.beat(left, "1")
        let right = history.started("right", after: 0)
        history.beat(right, "1")
        history.beat(left, "2")
        #expect(try await Self.open(host.answer(history.events)).sorted() == [1, 3])
        history.succeeded(right, "2")
        history.beat(left, "3")
        history.succeeded(left, "1")
        let answer = try await host.answer(history.events)
        guard case .ended(.succeeded(Payload(json: "3"))) = answer.outcome else {
            Issue.record("\(answer)")
            return
        }
    }

    /// A driver that has nothing but the history between two requests comes to the same end as a live execution.
    @Test func drivenStepByStepARunComesToTheSameEnd() async throws {
        var seeds = SeededGenerator(seed: TestSeed.value &+ 77)
        for _ in 0..<100 {
            let seed = seeds.next()
            var generator = SeededGenerator(seed: seed)
            let tree = WorkflowTree.sequence(
                (0..<3).map { _ in WorkflowTree.draw(&generator, depth: 2, races: false) })
            let start = HistoryBuilder(input: Payload(json: "1"), seed: seed)
            let live = try TreeSimulation(tree: tree, seed: seed, inOrder: false).run(from: start.events)
            let definition = TreeExecution(tree, failuresSpread: false).definition
            var driver = RequestDriver(
                host: ReplayHost(definition, client: Self.client), history: start, generator: generator)
            let end = try await driver.run()
            #expect(end == live.end, "\(tree): \(TestSeed.command("drivenStepByStep"))")
        }
    }
}

/// Drives a run by requests alone, one step a request, in an order drawn from a seed.
private struct RequestDriver {
    let host: ReplayHost
    var history: HistoryBuilder
    var generator: SeededGenerator
    /// The steps that wait for another attempt.
    private var retries: [StepNumber: AttemptFacts] = [:]
    private var failures: [StepKey: Int] = [:]

    init(host: ReplayHost, history: HistoryBuilder, generator: SeededGenerator) {
        self.host = host
        self.history = history
        self.generator = generator
    }

    mutating func run() async throws -> MachineEnd {
        while true {
            let answer = try await host.answer(history.events)
            for event in answer.events { history.add(event.body, after: event.after, at: history.time) }
            switch answer.outcome {
            case .ended(let end):
                _ = try RunState(history: history.events)
                return end
            case .waits(let new, let open):
                let index = generator.below(new.count + open.count)
                if index < new.count {
                    try await start(new[index])
                } else if let facts = retries[open[index - new.count]] {
                    let before = history.events
                    history.startedAgain(open[index - new.count], attempt: facts.attempt)
                    try await attempt(open[index - new.count], facts, after: before)
                }
            }
        }
    }

    private mutating func start(_ request: ReplayHost.Request) async throws {
        let (key, after) = (request.key, request.after)
        switch request.operation {
        case .run:
            let before = history.events
            let step = history.started(key.id, key.occurrence, in: key.scope, after: after)
            try await attempt(step, AttemptFacts(key: key, attempt: 1, lastFailure: nil), after: before)
        case .sleep:
            let step = history.add(.slept(Slept(key: key, until: history.time)), after: after)
            history.add(.woke(Woke(step: StepNumber(step))))
        case .waitForSignal(let wait):
            let step = history.add(
                .waitStarted(WaitStarted(key: key, signal: wait.signal, timeoutAt: nil)), after: after)
            history.add(.waitResolved(WaitResolved(step: StepNumber(step), payload: Payload(json: "1"))))
        case .sendSignal(let send):
            let sent = SignalSent(key: key, signal: send.signal, payload: send.payload, keepUntil: nil)
            let step = history.add(.signalSent(sent), after: after)
            history.add(.signalDelivered(SignalDelivered(step: StepNumber(step), to: .store)))
        case .invoke(let invoke):
            let started = InvokeStarted(
                key: key, workflow: invoke.workflow, child: RunID(high: 1, low: 1), childRun: RunNumber(9),
                timeoutAt: nil, cancelsOnTimeout: false)
            let step = history.add(.invokeStarted(started), after: after)
            history.add(
                .invokeFinished(InvokeFinished(step: StepNumber(step), outcome: .succeeded(Payload(json: "1")))))
        }
    }

    private mutating func attempt(_ step: StepNumber, _ facts: AttemptFacts, after before: [Event]) async throws {
        switch try await host.execute(facts, after: before) {
        case .succeeded(let result): history.add(.stepSucceeded(StepSucceeded(step: step, result: result)))
        case .failed(let failure, let decision):
            failures[facts.key, default: 0] += 1
            let isFinal = decision == .never || failures[facts.key, default: 0] >= 4
            history.add(
                .stepFailed(StepFailed(step: step, failure: failure, retryAt: isFinal ? nil : history.time)))
            retries[step] = AttemptFacts(key: facts.key, attempt: facts.attempt + 1, lastFailure: failure)
        case .tryAgain, .giveUp: Issue.record("nothing was to be inspected")
        }
    }
}
