import Logging
import StepCore
import StepEngine
import StepEvents
import StepKit
import StepLog
import Synchronization

/// One life of a worker: opens the store, brings every plan to its end, and tells what it sees.
package final class WorkerLife: Sendable {
    /// How a life ends when nobody kills it.
    package enum End: Int32, Sendable {
        case finished = 0
        /// Something happened that has no typed error.
        case untyped = 70
        /// The store failed, or could not be opened.
        case failed = 74
        /// There was no room.
        case full = 75
    }

    private let orders: WorkerOrders
    private let tell: MarkWriter
    private let opened = Mutex<EventStore?>(nil)
    private let client = Mutex<Client?>(nil)
    private let gaveUp = Atomic<Bool>(false)
    private let nextPlan = Atomic<Int>(0)

    package init(_ orders: WorkerOrders, tell: MarkWriter) {
        self.orders = orders
        self.tell = tell
    }

    private var store: EventStore? { opened.withLock { $0 } }

    package func run() async -> End {
        do {
            try await work()
            return .finished
        } catch {
            return end(of: error)
        }
    }

    /// The disk is not going to have room again: closes the store, which fails all that waits for room, and then the
    /// client. While the store is being opened there is nothing to close, and opening fails by itself.
    package func giveUp() {
        gaveUp.store(true, ordering: .releasing)
        EngineThread.start { [self] in
            store?.close()
            let client = client.withLock { $0 }
            Task { await client?.close() }
        }
    }

    private func end(of error: any Error) -> End {
        guard let error = error as? StoreError else {
            tell(.unsound("\(error)"))
            return .untyped
        }
        let code = "\(error.code)".prefix { $0 != "(" }.description
        tell(.failed(code: code, retryable: error.isRetryable, detail: error.detail))
        return error.code == .storageFull ? .full : .failed
    }

    // MARK: Work

    private func work() async throws {
        let client = try await Client(id: "crash", driver: driver(), logger: quiet) { options in
            options.maxInterruptions = 1_000_000
        }
        self.client.withLock { $0 = client }
        tell(.ready)
        let workflow = PlanWorkflow.register(with: client, telling: tell)
        let engine = Task { try await client.run() }
        let watch = Task { await watchRoom() }
        defer { watch.cancel() }
        let failure: (any Error)?
        do {
            try await carryOut(client, workflow)
            failure = nil
        } catch {
            failure = error
        }
        if gaveUp.load(ordering: .acquiring), failure != nil, case .full(let error)? = store?.health { throw error }
        if failure is EngineStopped {
            // What stopped it is the engine's to say.
            try await engine.value
        }
        if let failure { throw failure }
        engine.cancel()
        try await engine.value
        let commits = store?.activity.commits ?? 0
        if orders.verifies { try await offPool { try self.verify() } }
        await client.close()
        tell(.finished(commits: commits))
    }

    private func carryOut(_ client: Client, _ workflow: Workflow<Plan, UInt64>) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<max(1, orders.width) {
                group.addTask {
                    while true {
                        let index = self.nextPlan.wrappingAdd(1, ordering: .relaxed).oldValue
                        guard index < self.orders.plans.count else { return }
                        try await self.carryOut(self.orders.plans[index], client, workflow)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    private func carryOut(_ plan: Plan, _ client: Client, _ workflow: Workflow<Plan, UInt64>) async throws {
        let run = try await insisting { try await workflow.start(plan, id: plan.name) }
        tell(.started(plan: plan.name, run: "\(run.id)"))
        for name in plan.awaitedSignals {
            let receiver = try await insisting {
                try await client.signal(
                    name, Plan.sentValue(of: name), ifNobodyWaits: .keep(for: .seconds(86_400)),
                    idempotencyKey: "key of \(name)")
            }
            tell(.signalled(name, run: receiver.map { "\($0)" } ?? "-"))
        }
        tell(.result(plan: plan.name, value: try await insisting { try await run.result() }))
    }

    /// Repeats what was refused for now, until it is not.
    private func insisting<T>(_ body: () async throws -> T) async throws -> T {
        while true {
            do {
                return try await body()
            } catch is EngineNotRunning {
                // It was started a moment ago.
            } catch let error as StoreError where error.isRetryable && !gaveUp.load(ordering: .acquiring) {
                // There may be room again.
            }
            await Task.yield()
        }
    }

    /// Looks again and again, since the store tells no one but its engine.
    private func watchRoom() async {
        guard orders.tellsWhenFull || orders.givesUpWhenFull else { return }
        while !Task.isCancelled {
            if case .full? = store?.health {
                tell(.full)
                if orders.givesUpWhenFull { giveUp() }
                return
            }
            await Task.yield()
        }
    }

    // MARK: Surroundings

    private var quiet: Logger { Logger(label: "crash") { _ in SwiftLogNoOpLogHandler() } }

    private func driver() -> LocalDriver {
        LocalDriver(
            surroundings: { Engine.Surroundings() },
            store: { [self] in
                var options = StoreOptions()
                options.space = { _ in nil }
                if orders.isHasty { options.clock = FastStoreClock() }
                let store = try EventStore.openLMDB(directory: orders.store, options: options)
                opened.withLock { $0 = store }
                return store
            })
    }

    private func offPool<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            EngineThread.start { continuation.resume(with: Result { try body() }) }
        }
    }

    // MARK: The end

    private func verify() throws {
        guard let store else { return }
        let verification = try store.verify()
        for finding in verification.findings { tell(.unsound("\(finding)")) }
        for row in try store.read({ snapshot in try snapshot.runs(limit: .max) }) {
            if row.workflow == PlanWorkflow.id { try tellHistory(try store.history(of: row.number)) }
        }
        if verification.isSound { tell(.verified(records: verification.records)) }
    }

    private func tellHistory(_ history: [LoggedEvent]) throws {
        guard case .runStarted(let started)? = history.first?.event.body else { return tell(.unsound("no runStarted")) }
        let plan = try PayloadCoder.decode(Plan.self, from: started.input).name
        var names: [StepNumber: String] = [:]
        for event in history.map(\.event) {
            switch event.body {
            case .stepStarted(let body):
                let number: StepNumber
                switch body.step {
                case .new(let key):
                    number = StepNumber(event.sequence)
                    names[number] = key.id
                case .again(let step): number = step
                }
                tell(.recordedStart(plan: plan, step: names[number] ?? "?", attempt: Int(body.attempt)))
            case .stepSucceeded(let body):
                tell(.recordedSuccess(plan: plan, step: names[body.step] ?? "?"))
            default: break
            }
        }
    }
}
