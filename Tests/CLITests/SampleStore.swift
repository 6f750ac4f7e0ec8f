import StepEvents
import StepLog
import TestSupport

/// A store on disk with runs that have been through everything: retries, crashes, waits, children, failures.
struct SampleStore {
    let test: TestStore
    private(set) var script = RunScript()
    private(set) var runs: [String: RunNumber] = [:]

    /// Makes the store. Close it before a command reads it: one process opens a store once.
    init() throws {
        test = try TestStore(.lmdb)
        try order("order-1")
        try failure()
        try waiting()
        try cancelled()
        try signals()
    }

    func close() { test.store.close() }

    var path: String { test.directory }

    func id(_ name: String) -> String { runs[name].flatMap { script.states[$0]?.start.id.description } ?? "" }

    mutating func start(
        _ name: String, workflow: String = "process-order", key: String?, input: String = #"{"total":1250}"#,
        parent: RunStarted.Parent? = nil
    ) throws -> RunNumber {
        let (run, command) = try script.start(
            workflow: workflow, key: key, input: Payload(json: input), parent: parent)
        runs[name] = run
        try test.commit(command)
        return run
    }

    /// Many more runs, in one commit.
    mutating func start(count: Int) throws {
        var commands: [Command] = []
        for number in 0..<count {
            commands.append(try script.start(key: "n\(number)", input: Payload(json: "\(number)")).command)
        }
        try test.commit(commands)
    }

    /// Each event so long after the last one as given, in a commit of its own.
    mutating func record(_ run: RunNumber, _ bodies: [(after: Duration, EventBody)]) throws {
        for (pause, body) in bodies {
            script.time = script.time.advanced(by: pause - .milliseconds(1))
            try test.commit(try script.command(run, [body]))
        }
    }

    mutating func order(_ key: String) throws {
        let run = try start(key, key: key)
        let declined = Failure(
            type: "Shop.Declined", message: "card refused", fields: Payload(json: #"{"code":51}"#),
            causes: [Failure.Cause(type: "Shop.Timeout", message: "after 3 s")], site: "Shop/Order.swift:12")
        let retryAt = script.time.advanced(by: .seconds(1))
        try record(
            run,
            [
                (.milliseconds(2), started("validate-payment")),
                (.milliseconds(8), .stepFailed(StepFailed(step: StepNumber(1), failure: declined, retryAt: retryAt))),
                (.seconds(1), .stepStarted(StepStarted(step: .again(StepNumber(1)), attempt: 2))),
                (.milliseconds(5), succeeded(1, #"{"id": "p-1"}"#)),
                (.milliseconds(1), started("reserve", scope: "items/0")),
                (.milliseconds(1), started("reserve", scope: "items/1")),
                (.milliseconds(7), succeeded(6, "true")),
                (.seconds(2), .stepInterrupted(StepInterrupted(step: StepNumber(5), reason: .crash))),
                (.milliseconds(1), .stepStarted(StepStarted(step: .again(StepNumber(5)), attempt: 2))),
                (.milliseconds(4), succeeded(5, "true")),
                (.milliseconds(1), started("create-shipment")),
                (.milliseconds(20), succeeded(11, #""s-1""#)),
                (
                    .milliseconds(1),
                    .slept(Slept(key: stepKey("cooling-off"), until: script.time.advanced(by: .seconds(3_605))))
                ),
                (.seconds(3_600), .woke(Woke(step: StepNumber(13)))),
                (.milliseconds(1), started("send-confirmation")),
                (.milliseconds(3), succeeded(15, "null")),
                (.milliseconds(1), .runSucceeded(RunSucceeded(output: Payload(json: "{\n  \"sent\": true\n}")))),
            ])
    }

    private mutating func failure() throws {
        let run = try start("failed", key: "order-2")
        let failure = Failure(type: "Shop.OutOfStock", message: "no\u{1B}[31m chips left\nfor today")
        try record(
            run,
            [
                (.milliseconds(2), started("validate-payment")),
                (.milliseconds(8), .stepFailed(StepFailed(step: StepNumber(1), failure: failure, retryAt: nil))),
                (.milliseconds(1), .runFailed(RunFailed(failure: failure))),
            ])
    }

    /// A parent that waits for its child, which waits for a signal.
    private mutating func waiting() throws {
        let parent = try start("parent", key: nil)
        let number = RunNumber(parent.value + 1)
        // As the script will make it.
        let childID = RunID(
            time: script.time.advanced(by: .milliseconds(2)),
            random: (number.value &* 0x9E37_79B9, number.value &* 0x85EB_CA6B))
        try record(
            parent,
            [
                (
                    .milliseconds(1),
                    .invokeStarted(
                        InvokeStarted(
                            key: stepKey("bill"), workflow: "bill", child: childID, childRun: number,
                            timeoutAt: nil, cancelsOnTimeout: false))
                )
            ])
        guard let id = script.states[parent]?.start.id else { return }
        let child = try start(
            "child", workflow: "bill", key: "order-1", input: "12",
            parent: RunStarted.Parent(id: id, run: parent, step: StepNumber(1), detached: false))
        try record(
            child,
            [
                (
                    .milliseconds(1),
                    .waitStarted(
                        WaitStarted(
                            key: stepKey("approval"), signal: "bill/1",
                            timeoutAt: script.time.advanced(by: .seconds(86_400))))
                ),
                (
                    .milliseconds(5),
                    .signalRejected(
                        SignalRejected(
                            step: StepNumber(1), payload: Payload([0xFF, 0x00]),
                            failure: Failure(type: "Swift.DecodingError", message: "not JSON")))
                ),
            ])
    }

    private mutating func cancelled() throws {
        let run = try start("cancelled", key: "order-3")
        try record(
            run,
            [
                (
                    .milliseconds(3),
                    .signalSent(
                        SignalSent(key: stepKey("tell"), signal: "bill/2", payload: Payload(json: "1"), keepUntil: nil))
                ),
                (.milliseconds(1), .signalDelivered(SignalDelivered(step: StepNumber(1), to: RunNumber(1)))),
                (.milliseconds(2), .runCancelRequested(RunCancelRequested(by: "ops", reason: "customer called"))),
                (.milliseconds(1), .runCancelled(RunCancelled())),
            ])
    }

    private mutating func signals() throws {
        let kept = SignalKept(
            signal: "bill/9", payload: Payload(json: #"{"ok":true}"#),
            until: script.time.advanced(by: .seconds(60)), mark: .key("k-1"))
        try test.commit(script.storeCommand([.signalKept(kept)]))
        let keptAt = script.time
        try test.commit(script.storeCommand([.signalExpired(SignalExpired(signal: "bill/9", keptAt: keptAt))]))
    }

    func stepKey(_ id: String, scope: String = "") -> StepKey { StepKey(scope: scope, id: id, occurrence: 0) }

    func started(_ id: String, scope: String = "") -> EventBody {
        .stepStarted(StepStarted(step: .new(stepKey(id, scope: scope)), attempt: 1))
    }

    func succeeded(_ step: UInt32, _ json: String) -> EventBody {
        .stepSucceeded(StepSucceeded(step: StepNumber(step), result: Payload(json: json)))
    }
}

/// Lends a closed sample store, in which more was recorded before.
func withSampleStore(
    adding add: (inout SampleStore) throws -> Void = { _ in }, _ body: (SampleStore) throws -> Void
) throws {
    var sample = try SampleStore()
    try add(&sample)
    sample.close()
    try withExtendedLifetime(sample) { try body(sample) }
}
