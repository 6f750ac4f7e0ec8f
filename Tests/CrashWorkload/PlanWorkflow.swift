package import StepCore
import StepEvents
import Synchronization

/// The workflow that executes plans. Every body tells its beginning and its end.
package enum PlanWorkflow {
    static let id = "plan"

    /// Registers it with a client.
    package static func register(with client: Client, telling tell: MarkWriter) -> Workflow<Plan, UInt64> {
        let runner = PlanRunner(tell: tell)
        let workflow = client.workflow(id, input: Plan.self) { context, step in
            try await runner.run(context.input, step)
        }
        runner.itself.withLock { $0 = workflow }
        return workflow
    }
}

/// Executes plans.
private final class PlanRunner: Sendable {
    let tell: MarkWriter
    /// The workflow itself, which its children are runs of. Set before any run begins.
    let itself = Mutex<Workflow<Plan, UInt64>?>(nil)

    private struct Planned: Error {}
    private struct Unexpected: Error {}

    init(tell: MarkWriter) { self.tell = tell }

    func run(_ plan: Plan, _ step: Step) async throws -> UInt64 {
        try await run(plan.steps, of: plan.name, step)
    }

    private func run(_ steps: [PlannedStep], of plan: String, _ step: Step) async throws -> UInt64 {
        var values: [UInt64] = []
        for planned in steps { values.append(try await run(planned, of: plan, step)) }
        return Plan.fold(values)
    }

    private func run(_ planned: PlannedStep, of plan: String, _ step: Step) async throws -> UInt64 {
        let value = Plan.value(of: planned.id, in: plan)
        switch planned {
        case .work(let id, let failures): return try await work(id, failures, of: plan, step)
        case .broken(let id):
            do {
                try await broken(id, of: plan, step)
                throw Unexpected()
            } catch is StepError {
                return value
            }
        case .sleep(let id, let milliseconds):
            try await step.sleep(id, for: .milliseconds(milliseconds))
            return value
        case .wait(let id):
            guard let sent = try await step.waitForSignal(id, signal: Plan.signal(id, of: plan), as: UInt64.self)
            else { throw Unexpected() }
            return sent
        case .timeout(let id, let milliseconds):
            let sent = try await step.waitForSignal(
                id, signal: Plan.signal(id, of: plan), as: UInt64.self, timeout: .milliseconds(milliseconds))
            guard sent == nil else { throw Unexpected() }
            return value
        case .echo(let id):
            let signal = Plan.signal(id, of: plan)
            try await step.sendSignal(
                "\(id)-send", signal: signal, data: value, ifNobodyWaits: .keep(for: .seconds(86_400)))
            return try await step.waitForSignal(id, signal: signal, as: UInt64.self) ?? 0
        case .race(let id):
            try await race(id, step)
            return value
        case .parallel(let id, let branches): return try await parallel(id, branches, of: plan, step)
        case .child(let id, let child):
            guard let workflow = itself.withLock({ $0 }) else { throw Unexpected() }
            return try await step.invoke(id, workflow, child)
        }
    }

    private func work(_ id: String, _ failures: Int, of plan: String, _ step: Step) async throws -> UInt64 {
        try await step.run(id, retry: .fixed(maxAttempts: 1_000, delay: .milliseconds(1))) { [tell] context in
            tell(.began(plan: plan, step: id, attempt: context.attempt))
            await Task.yield()
            if Plan.beats(id, in: plan) { try await Self.beat(id, of: plan, context, tell) }
            guard context.attempt > failures else { throw Planned() }
            tell(.ended(plan: plan, step: id, attempt: context.attempt))
            return Plan.value(of: id, in: plan)
        }
    }

    /// Tells of its progress, from where the attempts before it had come.
    private static func beat(_ id: String, of plan: String, _ context: StepContext, _ tell: MarkWriter) async throws {
        let seen = try context.lastHeartbeat(as: Int.self) ?? 0
        tell(.sawBeat(plan: plan, step: id, beat: seen))
        for beat in seen + 1...seen + 2 {
            try await context.heartbeat(beat)
            tell(.beat(plan: plan, step: id, beat: beat))
        }
    }

    private func broken(_ id: String, of plan: String, _ step: Step) async throws {
        try await step.run(id) { [tell] (context: StepContext) -> Void in
            tell(.began(plan: plan, step: id, attempt: context.attempt))
            throw NonRetryableError("planned")
        }
    }

    private func race(_ id: String, _ step: Step) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await step.sleep("\(id)-short", for: .milliseconds(1)) }
            group.addTask {
                do { try await step.sleep("\(id)-long", for: .seconds(86_400)) } catch is CancellationError {}
            }
            try await group.next()
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    private func parallel(
        _ id: String, _ branches: [[PlannedStep]], of plan: String, _ step: Step
    ) async throws -> UInt64 {
        try await withThrowingTaskGroup(of: (Int, UInt64).self) { group in
            for (index, branch) in branches.enumerated() {
                group.addTask {
                    let value = try await step.group("\(id)-\(index)") { inner in
                        try await self.run(branch, of: plan, inner)
                    }
                    return (index, value)
                }
            }
            var values = [UInt64](repeating: 0, count: branches.count)
            for try await (index, value) in group { values[index] = value }
            return Plan.fold(values)
        }
    }
}
