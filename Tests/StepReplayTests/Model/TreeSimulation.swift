import StepEvents
import StepReplay
import TestSupport

@testable import StepCore

/// Executes a tree to its end in a model host, with choices that depend on the seed and on what they are about alone:
/// cut anywhere and continued, an execution makes the same choices again.
struct TreeSimulation {
    struct Result {
        var log: [Event]
        /// How long the log was after each command.
        var commandEnds: [Int]
        var end: MachineEnd
        var trace: [String]
        var bodiesBegun: [StepKey: Int]
        var reports: [MachineReport]
        /// What the first instance added to the history that it was given.
        var instances: Int
    }

    struct Stuck: Error, CustomStringConvertible {
        let log: [EventKind]
        var description: String { "nothing can happen any more after \(log)" }
    }

    let tree: WorkflowTree
    let seed: UInt64
    /// One thing at a time, everything durable at once: then the outcome of races too survives every cut.
    let inOrder: Bool
    /// Whether someone cancels the run at some time.
    var cancels = false

    func run(from history: [Event]) throws -> Result {
        let execution = TreeExecution(tree, failuresSpread: inOrder)
        let host = ModelHost(execution.definition, log: history)
        execution.host = host
        host.commitsAtOnce = inOrder
        var generator = SeededGenerator(seed: seed ^ UInt64(history.count))
        var instances = 1
        try host.begin()
        defer {
            host.finish()
            execution.host = nil
        }
        while true {
            switch host.ends.last {
            case .succeeded, .failed, .cancelled, .held:
                if let end = host.ends.last {
                    return Result(
                        log: host.log, commandEnds: host.commandEnds, end: end, trace: execution.trace,
                        bodiesBegun: host.bodiesBegun,
                        reports: host.reports, instances: instances)
                }
            case .retry(let time):
                host.now = max(host.now, time)
                fallthrough
            case .unwound:
                instances += 1
                host.forgetEnds()
                try host.begin()
            case nil: try next(host, &generator)
            }
        }
    }

    /// The kinds of event that follow from a history before anything happens that the function waits for.
    func whatFollows(_ history: [Event]) throws -> [EventKind] {
        let execution = TreeExecution(tree, failuresSpread: inOrder)
        let host = ModelHost(execution.definition, log: history)
        execution.host = host
        try host.begin()
        defer {
            host.finish()
            execution.host = nil
        }
        return host.log.dropFirst(history.count).map(\.kind)
    }

    private func next(_ host: ModelHost, _ generator: inout SeededGenerator) throws {
        var choices = host.choices
        if cancels, !host.log.contains(where: { $0.kind == .runCancelRequested }) { choices.append(.cancelRun) }
        guard !choices.isEmpty else { throw Stuck(log: host.log.map(\.kind)) }
        if inOrder {
            if let first = choices.min(by: { rank($0, host) < rank($1, host) }) { host.happen(first) }
        } else if generator.once(in: 12) {
            host.post(generator.once(in: 2) ? .park : .unwind(interrupting: true))
            return
        } else {
            for choice in choices.shuffled(using: &generator).prefix(1 + generator.below(3)) { host.happen(choice) }
        }
        host.settle()
    }

    /// What is chosen first among what could happen: by the step's key, which survives a cut, not by its number.
    private func rank(_ choice: ModelHost.Choice, _ host: ModelHost) -> UInt64 {
        switch choice {
        case .body(let key, _): StableHash.of(seed: seed, key, 1)
        case .timer(let step): rank(step, 2, host)
        case .signal(let step): rank(step, 3, host)
        case .delivery(let step): rank(step, 4, host)
        case .child(let step): rank(step, 5, host)
        case .cancelRun: SplitMix64.mix(seed) | 1 << 63
        case .commit: 0
        }
    }

    private func rank(_ step: StepNumber, _ salt: UInt64, _ host: ModelHost) -> UInt64 {
        let key = host.log[Int(step.sequence)].introducedKey
        return key.map { StableHash.of(seed: seed, $0, salt) } ?? 0
    }
}
