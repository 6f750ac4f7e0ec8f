import StepEvents
import StepLocks
import TestSupport

@testable import StepCore

/// A workflow as data: drawn from a seed, executed by the real step methods.
indirect enum WorkflowTree: Sendable, CustomStringConvertible {
    /// Fails so many times and then gives its value; `final` fails for good.
    case run(String, failures: Int, final: Bool, value: Int)
    case sleep(String, microseconds: Int64)
    case wait(String, timeout: Int64?)
    case send(String)
    case invoke(String)
    case sequence([WorkflowTree])
    case parallel([WorkflowTree])
    /// The first branch wins, the others are cancelled.
    case race([WorkflowTree])
    case group(String, WorkflowTree)
    /// The function throws while its run has been begun anew fewer times than this.
    case trip(attempts: Int)

    var description: String {
        switch self {
        case .run(let id, let failures, let final, let value):
            "\(id)=\(value)\(failures > 0 ? "~\(failures)" : "")\(final ? "!" : "")"
        case .sleep(let id, let microseconds): "\(id).sleep(\(microseconds))"
        case .wait(let id, let timeout): "\(id).wait(\(timeout.map { "\($0)" } ?? ""))"
        case .send(let id): "\(id).send"
        case .invoke(let id): "\(id).invoke"
        case .sequence(let parts): "(" + parts.map(\.description).joined(separator: " ") + ")"
        case .parallel(let parts): "{" + parts.map(\.description).joined(separator: " & ") + "}"
        case .race(let parts): "[" + parts.map(\.description).joined(separator: " | ") + "]"
        case .group(let name, let part): "\(name):\(part)"
        case .trip(let attempts): "trip\(attempts)"
        }
    }

    // MARK: Drawing

    /// Draws a tree. `races` allows what makes the output depend on the order of events: races, and failures that leave
    /// their branch.
    static func draw(_ generator: inout SeededGenerator, depth: Int = 3, races: Bool) -> WorkflowTree {
        let kinds = depth == 0 ? 8 : 14
        let id = ["a", "b", "c"][generator.below(3)]
        switch generator.below(kinds) {
        case 0...3:
            return .run(
                id, failures: generator.once(in: 4) ? 1 + generator.below(2) : 0, final: generator.once(in: 12),
                value: generator.below(100))
        case 4:
            // A sleep of nothing ends in the turn that begins it. A cut in the midst of that turn, which an engine
            // writes in one commit, would decide a race otherwise.
            let ends = !races && generator.once(in: 5)
            return .sleep(id + "s", microseconds: ends ? 0 : Int64(1 + generator.below(5_000_000)))
        case 5:
            return .wait(
                id + "w", timeout: races && generator.once(in: 2) ? Int64(1 + generator.below(5_000_000)) : nil)
        case 6: return .send(id + "n")
        case 7: return .invoke(id + "i")
        case 8, 9: return .sequence(parts(&generator, depth, races))
        case 10, 11: return .parallel(parts(&generator, depth, races))
        case 12: return races ? .race(parts(&generator, depth, races)) : .sequence(parts(&generator, depth, races))
        default: return .group(id + "g", draw(&generator, depth: depth - 1, races: races))
        }
    }

    private static func parts(_ generator: inout SeededGenerator, _ depth: Int, _ races: Bool) -> [WorkflowTree] {
        (0..<1 + generator.below(3)).map { _ in draw(&generator, depth: depth - 1, races: races) }
    }
}

/// Executes trees with the real step methods, noting each return to the function in order.
final class TreeExecution: @unchecked Sendable {
    // Unchecked: `host` is set before the first execution and read by the thread of ``ModelHost`` alone; `notes` has its
    // lock, since a replay host lets go of executions that still end while it begins the next one.
    let tree: WorkflowTree
    /// Whether a step that failed for good fails what it stands in, or counts as a value.
    let failuresSpread: Bool
    var host: ModelHost?
    private let notes = Locked<[String]>([])
    var trace: [String] { notes.withLock { $0 } }

    struct Broken: Error, Codable { let failures: Int }
    struct Tripped: Error {}

    init(_ tree: WorkflowTree, failuresSpread: Bool) {
        self.tree = tree
        self.failuresSpread = failuresSpread
    }

    var definition: WorkflowDefinition {
        flow(options: WorkflowOptions(retry: RetryPolicy(initial: .milliseconds(333)))) { [self] context, step in
            notes.withLock { $0 = [] }
            return try await evaluate(tree, step)
        }
    }

    private func evaluate(_ tree: WorkflowTree, _ step: Step) async throws -> Int {
        switch tree {
        case .run(let id, let failures, let final, let value):
            return try await noting(id, step) { try await self.run(id, failures, final, value, step) }
        case .sleep(let id, let microseconds):
            return try await noting(id, step) {
                try await step.sleep(id, for: .microseconds(microseconds))
                return 1
            }
        case .wait(let id, let timeout):
            return try await noting(id, step) {
                try await step.waitForSignal(
                    id, signal: "s", as: Int.self, timeout: timeout.map { .microseconds($0) }) == nil ? 2 : 3
            }
        case .send(let id):
            return try await noting(id, step) {
                try await step.sendSignal(id, signal: "s", data: 1)
                return 4
            }
        case .invoke(let id): return try await noting(id, step) { try await self.invoke(id, step) }
        case .sequence(let parts):
            var result = 7
            for part in parts { result = (result &* 31 &+ (try await evaluate(part, step))) % 1_000_003 }
            return result
        case .parallel(let parts): return try await parallel(parts, step)
        case .race(let parts): return try await race(parts, step)
        case .group(let name, let part): return try await step.group(name) { try await self.evaluate(part, $0) }
        case .trip(let attempts):
            if (host?.log.count { $0.kind == .runAttemptFailed } ?? 0) < attempts { throw Tripped() }
            return 5
        }
    }

    private func noting(_ id: String, _ step: Step, _ call: () async throws -> Int) async throws -> Int {
        do {
            let value = try await call()
            notes.withLock { $0.append("\(step.scope)/\(id)=\(value)") }
            return value
        } catch {
            notes.withLock { $0.append("\(step.scope)/\(id)!\(type(of: error))") }
            guard !failuresSpread, error is StepError else { throw error }
            return -1
        }
    }

    private func run(_ id: String, _ failures: Int, _ final: Bool, _ value: Int, _ step: Step) async throws -> Int {
        // Without jitter, which an interruption changes with the number of the attempt, and no two alike.
        let spread = Int64(StableHash.of(seed: 5, StepKey(scope: step.scope, id: id, occurrence: 0)) % 1_000_000)
        let policy = RetryPolicy(
            maxAttempts: 4, initial: .microseconds(500_000 + spread), factor: 1.7, jitter: 0)
        return try await step.run(id, retry: policy, throwing: Broken.self) { context in
            await self.host?.gate(context)
            let before = context.lastFailure?.fields.flatMap { try? PayloadCoder.decode(Broken.self, from: $0) }
            let failed = before?.failures ?? 0
            if failures > 0, self.host != nil {
                // Each attempt that failed had told so before, and that must have come here too.
                let told = try context.lastHeartbeat(as: Int.self) ?? 0
                guard told >= failed else { throw NonRetryableError("heartbeat \(failed) was lost, \(told) is there") }
                if failed < failures { try await context.heartbeat(failed + 1) }
            }
            if failed < failures { throw Broken(failures: failed + 1) }
            if final { throw NonRetryableError("final") }
            return value
        }
    }

    /// The children of the model give what their step's number is; here only that they ended counts.
    private func invoke(_ id: String, _ step: Step) async throws -> Int {
        let call = StepCall(
            scope: step.scope, id: id,
            operation: .invoke(
                InvokeStep(
                    workflow: "child", version: 1, input: .null, timeout: nil, cancelsOnTimeout: false, detached: false)
            ),
            site: CallSite(fileID: #fileID, line: #line))
        _ = try await step.perform(call)
        return 6
    }

    private func parallel(_ parts: [WorkflowTree], _ step: Step) async throws -> Int {
        try await step.group("p") { step in
            try await withThrowingTaskGroup(of: (Int, Int).self) { group in
                for (index, part) in parts.enumerated() {
                    group.addTask {
                        (index, try await step.group("\(index)") { try await self.evaluate(part, $0) })
                    }
                }
                var results = [Int](repeating: 0, count: parts.count)
                for try await (index, value) in group { results[index] = value }
                return results.reduce(11) { ($0 &* 37 &+ $1) % 1_000_003 }
            }
        }
    }

    private func race(_ parts: [WorkflowTree], _ step: Step) async throws -> Int {
        try await step.group("r") { step in
            try await withThrowingTaskGroup(of: (Int, Int).self) { group in
                for (index, part) in parts.enumerated() {
                    group.addTask {
                        (index, try await step.group("\(index)") { try await self.evaluate(part, $0) })
                    }
                }
                let first = try await group.next()
                group.cancelAll()
                return (first?.0 ?? 0) &* 41 &+ (first?.1 ?? 0)
            }
        }
    }
}
