import CrashWorkload
import Logging
import StepCore
import StepEngine
import StepEvents
import StepKit
import StepLog
import Synchronization

/// A program that makes the engine write events of every kind, and that can be run again after it was killed anywhere:
/// it then comes to the same outcomes.
///
/// It has three parts, each a client of its own on the same store. The code of the second does not fit a run of the
/// first, which is held until the third brings the right code back.
final class EveryKindScenario: Sendable {
    /// What the program comes to, always.
    struct Outcomes: Equatable {
        var mixed = 49
        var failure = "the order is impossible"
        var attempts = 3
        var cancelledBy = "the scenario"
        var held = 5
        var interrupted = 6
    }

    private enum Part: CaseIterable { case first, diverging, last }
    private struct Planned: Error {}
    private struct Unexpected: Error {
        var what: String
    }

    private let directory: String
    private let tell: MarkWriter
    private let around: @Sendable (any Tables) -> any Tables
    private let opened = Mutex<EventStore?>(nil)
    private let hasThrown = Atomic<Bool>(false)
    private let hangs = Atomic<Bool>(false)

    init(directory: String, telling path: String, around: @escaping @Sendable (any Tables) -> any Tables = { $0 }) {
        self.directory = directory
        tell = MarkWriter(appendingTo: path)
        self.around = around
    }

    private var store: EventStore {
        get throws {
            guard let store = opened.withLock({ $0 }) else { throw Unexpected(what: "no store is open") }
            return store
        }
    }

    func run() async throws -> Outcomes {
        var outcomes = Outcomes()
        try await with(.first) { client, workflows in
            try await self.first(client, workflows, &outcomes)
        }
        try await with(.diverging) { client, workflows in
            guard let run = try await workflows.held.run(id: "held") else { throw Unexpected(what: "no held run") }
            try await self.until { [.held, .succeeded].contains(try await run.status()) }
            // Queued for it, as it can't go on here.
            try await client.signal("go", true, ifNobodyWaits: .keep(for: .seconds(86_400)), idempotencyKey: "go")
        }
        try await with(.last) { client, workflows in
            try await client.signal("go", true, ifNobodyWaits: .keep(for: .seconds(86_400)), idempotencyKey: "go")
            outcomes.held = try await workflows.held.start(0, id: "held").result()
            outcomes.interrupted = try await workflows.interrupted.start(0, id: "interrupted").result()
        }
        return outcomes
    }

    // MARK: The first part

    private func first(_ client: Client, _ workflows: Workflows, _ outcomes: inout Outcomes) async throws {
        let interrupted = try await workflows.interrupted.start(0, id: "interrupted")
        let held = try await workflows.held.start(0, id: "held")
        let mixed = try await workflows.mixed.start(0, id: "mixed")
        try await approve(mixed, client)
        outcomes.mixed = try await mixed.result()
        do {
            _ = try await workflows.failing.start(0, id: "failing").result()
            throw Unexpected(what: "it did not fail")
        } catch let error as RunFailedError {
            outcomes.failure = error.failure.message
        }
        outcomes.attempts = try await workflows.attempts.start(0, id: "attempts").result()
        let cancelled = try await workflows.cancelled.start(0, id: "cancelled")
        do {
            try await cancelled.cancel(by: "the scenario")
            _ = try await cancelled.result()
            throw Unexpected(what: "it was not cancelled")
        } catch let error as RunCancelledError {
            outcomes.cancelledBy = error.by
        }
        try await client.signal(
            "unheard", 1, ifNobodyWaits: .keep(for: .milliseconds(1)), idempotencyKey: "unheard")
        try await until { try self.store.read { snapshot in try snapshot.kept("unheard").isEmpty } }
        try await until {
            let isOver = try await interrupted.status() == .succeeded
            return isOver || self.hangs.load(ordering: .acquiring)
        }
        try await until {
            let isOver = try await held.status() != .running
            return try isOver || self.store.read { snapshot in try !snapshot.waiters(of: "go").isEmpty }
        }
    }

    /// Sends what the run refuses, then what it waits for.
    private func approve(_ mixed: Run<Int>, _ client: Client) async throws {
        try await until {
            do {
                try await client.signal("approval", "yes")
                return try await mixed.status() == .succeeded
            } catch is InvalidPayloadError {
                return true
            }
        }
        try await client.signal(
            "approval", 7, ifNobodyWaits: .keep(for: .seconds(86_400)), idempotencyKey: "approval")
    }

    private func until(_ condition: () async throws -> Bool) async throws {
        while try await !condition() { await Task.yield() }
    }

    // MARK: Clients

    private struct Workflows {
        var mixed: Workflow<Int, Int>
        var failing: Workflow<Int, Int>
        var attempts: Workflow<Int, Int>
        var cancelled: Workflow<Int, Int>
        var held: Workflow<Int, Int>
        var interrupted: Workflow<Int, Int>
    }

    private func with(_ part: Part, _ body: (Client, Workflows) async throws -> Void) async throws {
        let driver = LocalDriver(surroundings: { Engine.Surroundings() }) { [self] in
            var options = StoreOptions()
            options.around = around
            let store = try EventStore.openLMDB(directory: directory, options: options)
            opened.withLock { $0 = store }
            return store
        }
        let quiet = Logger(label: "crash") { _ in SwiftLogNoOpLogHandler() }
        let client = try await Client(id: "crash", driver: driver, logger: quiet) { options in
            options.shutdownGrace = .zero
            options.maxInterruptions = 1_000
        }
        let workflows = register(client, part)
        let engine = Task { try await client.run() }
        do {
            try await until {
                do { return try await client.signal("nothing", 0) == nil } catch is EngineNotRunning { return false }
            }
            try await body(client, workflows)
        } catch {
            await client.close()
            throw error
        }
        engine.cancel()
        try await engine.value
        await client.close()
    }

    // MARK: Workflows

    private func register(_ client: Client, _ part: Part) -> Workflows {
        let child = client.workflow("child", input: Int.self) { [self] context, step in
            try await body("child", step, gives: context.input + 1)
        }
        return Workflows(
            mixed: client.workflow("mixed", input: Int.self) { [self] _, step in try await mixed(step, child) },
            failing: client.workflow("failing", input: Int.self) { [self] _, step -> Int in
                _ = try await body("doomed", step, gives: 1)
                throw NonRetryableError("the order is impossible")
            },
            attempts: client.workflow(
                "attempts", input: Int.self, options: WorkflowOptions(retry: .fixed(maxAttempts: 1_000, delay: .zero))
            ) { [self] _, step in
                let value = try await body("kept", step, gives: 3)
                if !hasThrown.exchange(true, ordering: .acquiringAndReleasing) { throw Planned() }
                return value
            },
            cancelled: client.workflow("cancelled", input: Int.self) { _, step in
                try await step.waitForSignal("for ever", signal: "never", as: Int.self) ?? 0
            },
            held: client.workflow("held", input: Int.self) { [self] _, step in
                if part == .diverging {
                    try await step.sleep("changed", for: .zero)
                } else {
                    _ = try await body("changed", step, gives: 1)
                }
                _ = try await step.waitForSignal("wait", signal: "go", as: Bool.self)
                return try await body("released", step, gives: 5)
            },
            interrupted: client.workflow("interrupted", input: Int.self) { [self] _, step in
                try await interrupted(step, hanging: part == .first)
            })
    }

    /// One whose body tells that it runs.
    private func body(_ id: String, _ step: Step, gives value: Int, failures: Int = 0) async throws -> Int {
        try await step.run(id, retry: .fixed(maxAttempts: 1_000, delay: .zero)) { [tell] context in
            tell(.began(plan: "scenario", step: id, attempt: context.attempt))
            guard context.attempt > failures else { throw Planned() }
            return value
        }
    }

    /// One that records how far it has come, and tells what was there when it began.
    private func beat(_ step: Step) async throws {
        try await step.run("beating") { [tell] context in
            let seen = try context.lastHeartbeat(as: Int.self) ?? 0
            tell(.began(plan: "scenario", step: "beating-from-\(seen)", attempt: context.attempt))
            try await context.heartbeat(Self.beat)
        }
    }

    /// What it records.
    static let beat = 7

    private func interrupted(_ step: Step, hanging: Bool) async throws -> Int {
        try await step.run("hanging") { [self] context in
            tell(.began(plan: "scenario", step: "hanging", attempt: context.attempt))
            if hanging {
                hangs.store(true, ordering: .releasing)
                try await Self.untilCancelled()
            }
            return 6
        }
    }

    private static func untilCancelled() async throws {
        let (stream, continuation) = AsyncStream.makeStream(of: Never.self)
        for await _ in stream {}
        continuation.finish()
        try Task.checkCancellation()
    }

    private func mixed(_ step: Step, _ child: Workflow<Int, Int>) async throws -> Int {
        var sum = try await body("plain", step, gives: 10)
        sum += try await body("flaky", step, gives: 11, failures: 1)
        try await beat(step)
        try await race(step) { _ = try await step.waitForSignal("loser", signal: "never", as: Int.self) }
        try await race(step) { try await step.run("endless") { try await Self.untilCancelled() } }
        let late = try await step.waitForSignal("late", signal: "never", as: Int.self, timeout: .milliseconds(1))
        guard late == nil else { throw NonRetryableError("a signal came that nobody sent") }
        try await step.sendSignal("send", signal: "note", data: 9, ifNobodyWaits: .keep(for: .seconds(86_400)))
        sum += try await step.waitForSignal("note", signal: "note", as: Int.self) ?? 0
        sum += try await step.waitForSignal("approval", signal: "approval", as: Int.self) ?? 0
        sum += try await step.invoke("child", child, 1)
        return try await body("end", step, gives: sum + 10)
    }

    /// A short sleep against something that lasts.
    private func race(_ step: Step, _ loser: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await step.sleep("winner", for: .milliseconds(1)) }
            group.addTask { do { try await loser() } catch is CancellationError {} }
            try await group.next()
            group.cancelAll()
            try await group.waitForAll()
        }
    }
}
