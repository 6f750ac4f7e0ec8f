package import TestSupport

/// What one run does, as data: the input of the workflow that executes it, and of the model that says what must come
/// out.
package struct Plan: Codable, Hashable, Sendable {
    /// Unique in its store.
    package var name: String
    package var steps: [PlannedStep]

    package init(name: String, steps: [PlannedStep]) {
        self.name = name
        self.steps = steps
    }
}

/// One thing that a plan does. Each has an id that is unique in the plan.
package indirect enum PlannedStep: Codable, Hashable, Sendable {
    /// A body that fails in its first attempts.
    case work(String, failures: Int)
    /// A body that fails for good; the workflow goes on.
    case broken(String)
    case sleep(String, milliseconds: Int)
    /// Waits for a signal that the program sends.
    case wait(String)
    /// Waits for a signal that nobody sends.
    case timeout(String, milliseconds: Int)
    /// Sends itself a signal, which is kept, and then waits for it.
    case echo(String)
    /// A short sleep wins against a long one.
    case race(String)
    case parallel(String, [[PlannedStep]])
    case child(String, Plan)

    var id: String {
        switch self {
        case .work(let id, _), .broken(let id), .sleep(let id, _), .wait(let id), .timeout(let id, _), .echo(let id),
            .race(let id), .parallel(let id, _), .child(let id, _):
            id
        }
    }
}

extension Plan {
    /// Draws a plan. `depth` bounds children and parallel branches.
    package static func random(_ name: String, steps: Int, depth: Int = 2, using draws: inout SeededGenerator) -> Plan {
        var next = 0
        return Plan(
            name: name,
            steps: (0..<steps).map { _ in step(&next, in: name, depth: depth, using: &draws) })
    }

    private static func step(
        _ next: inout Int, in plan: String, depth: Int, using draws: inout SeededGenerator
    ) -> PlannedStep {
        next += 1
        let id = "s\(next)"
        switch draws.below(depth > 0 ? 16 : 12) {
        case 0: return .broken(id)
        case 1: return .sleep(id, milliseconds: 1 + draws.below(6))
        case 2: return .wait(id)
        case 3: return .timeout(id, milliseconds: 1 + draws.below(4))
        case 4: return .echo(id)
        case 5: return .race(id)
        case 6...11: return .work(id, failures: draws.once(in: 4) ? 1 + draws.below(2) : 0)
        case 12, 13:
            return .child(id, random("\(plan).\(id)", steps: 1 + draws.below(3), depth: depth - 1, using: &draws))
        default:
            let branches = (0..<2 + draws.below(2)).map { _ in
                (0..<1 + draws.below(3)).map { _ in step(&next, in: plan, depth: depth - 1, using: &draws) }
            }
            return .parallel(id, branches)
        }
    }

    /// The names of the signals that the program must send for the plan to end.
    package var awaitedSignals: [String] { Self.signals(steps, name) }

    private static func signals(_ steps: [PlannedStep], _ plan: String) -> [String] {
        steps.flatMap { step -> [String] in
            switch step {
            case .wait(let id): [signal(id, of: plan)]
            case .parallel(_, let branches): branches.flatMap { signals($0, plan) }
            case .child(_, let child): child.awaitedSignals
            default: []
            }
        }
    }

    static func signal(_ id: String, of plan: String) -> String { "\(plan)/\(id)" }
}

// MARK: The model

extension Plan {
    /// What a run of the plan must return.
    package var expected: UInt64 { Self.fold(steps.map { Self.expected($0, name) }) }

    private static func expected(_ step: PlannedStep, _ plan: String) -> UInt64 {
        switch step {
        case .parallel(_, let branches): fold(branches.map { fold($0.map { expected($0, plan) }) })
        case .child(_, let child): child.expected
        default: value(of: step.id, in: plan)
        }
    }

    /// What a step gives: anything that no other step gives.
    static func value(of id: String, in plan: String) -> UInt64 { sentValue(of: signal(id, of: plan)) }

    /// Whether a step's body records how far it has come: every third does.
    static func beats(_ id: String, in plan: String) -> Bool { value(of: id, in: plan).isMultiple(of: 3) }

    /// What a signal carries.
    static func sentValue(of signal: String) -> UInt64 { fold(signal.utf8.map(UInt64.init)) }

    static func fold(_ values: [UInt64]) -> UInt64 {
        values.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ $1) &* 0x100_0000_01B3 }
    }
}

// MARK: Places

/// Where a body stands in its plan, for telling which bodies come before which.
package struct Place: Hashable, Sendable {
    /// The index at the top, then branch and index in it for each level of parallel branches.
    package var path: [Int]

    /// Whether everything here must have ended before anything at `other` begins.
    package func precedes(_ other: Place) -> Bool {
        var at = 0
        while at < path.count, at < other.path.count {
            // Indexes stand at even places, branches at odd ones; two branches have no order.
            if path[at] != other.path[at] { return at.isMultiple(of: 2) && path[at] < other.path[at] }
            at += 1
        }
        return false
    }
}

extension Plan {
    /// The plan itself and every plan inside it, by name.
    package var withChildren: [Plan] {
        [self] + Self.children(steps).flatMap(\.withChildren)
    }

    private static func children(_ steps: [PlannedStep]) -> [Plan] {
        steps.flatMap { step -> [Plan] in
            switch step {
            case .child(_, let plan): [plan]
            case .parallel(_, let branches): branches.flatMap { children($0) }
            default: []
            }
        }
    }

    /// The places of the plan's own bodies, by step id.
    package var bodies: [String: Place] {
        var found: [String: Place] = [:]
        Self.bodies(steps, [], into: &found)
        return found
    }

    private static func bodies(_ steps: [PlannedStep], _ path: [Int], into found: inout [String: Place]) {
        for (index, step) in steps.enumerated() {
            switch step {
            case .work(let id, _), .broken(let id): found[id] = Place(path: path + [index])
            case .parallel(_, let branches):
                for (branch, steps) in branches.enumerated() { bodies(steps, path + [index, branch], into: &found) }
            default: break
            }
        }
    }
}
