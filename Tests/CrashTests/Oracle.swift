import CrashWorkload

/// Knows, from what workers told over their lives and from nothing else, what must hold in a store.
///
/// It stands outside the engine: it reads no store and shares no code with it. Where a plan says that one body comes
/// before another, the beginning of the later one is the proof that the engine took the earlier one as finished.
struct Oracle {
    private struct Body: Hashable {
        var plan: String
        var step: String
    }

    private let plans: [String: Plan]
    private let places: [Body: Place]
    private var runs: [String: String] = [:]
    private var results: [String: UInt64] = [:]
    private var receivers: [String: String] = [:]
    private var attempts: [Body: [Int]] = [:]
    /// The bodies of a plan that have begun, which prove that those before them are finished.
    private var begun: [String: Set<Body>] = [:]
    /// The last heartbeat of each body whose recording was acknowledged.
    private var beats: [Body: Int] = [:]
    private var recordedStarts: [Body: Set<Int>] = [:]
    private var successes: [Body: Int] = [:]
    private(set) var problems: [String] = []
    /// Bodies that began, over all lives.
    private(set) var bodies = 0
    /// How many of them were not the first attempt of their step.
    private(set) var repeats = 0
    /// How often one found a heartbeat of an attempt before it.
    private(set) var beatsSeen = 0

    init(_ roots: [Plan]) {
        let all = roots.flatMap(\.withChildren)
        plans = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
        places = Dictionary(
            uniqueKeysWithValues: all.flatMap { plan in
                plan.bodies.map { (Body(plan: plan.name, step: $0.key), $0.value) }
            })
    }

    mutating func take(_ marks: [Mark]) {
        for mark in marks { take(mark) }
    }

    private mutating func take(_ mark: Mark) {
        switch mark {
        case .started(let plan, let run): note(\.runs, plan, run, "start of \(plan)")
        case .signalled(let name, let run): note(\.receivers, name, run, "signal \(name)")
        case .result(let plan, let value):
            note(\.results, plan, value, "result of \(plan)")
            if let expected = plans[plan]?.expected, value != expected {
                problems.append("\(plan) returned \(value) instead of \(expected)")
            }
        case .began(let plan, let step, let attempt): began(Body(plan: plan, step: step), attempt)
        case .ended(let plan, let step, let attempt):
            if attempts[Body(plan: plan, step: step)]?.last != attempt {
                problems.append("attempt \(attempt) of \(plan)/\(step) ended, but a later one has begun")
            }
        case .beat(let plan, let step, let beat): beats[Body(plan: plan, step: step)] = beat
        case .sawBeat(let plan, let step, let beat):
            if beat > 0 { beatsSeen += 1 }
            let acknowledged = beats[Body(plan: plan, step: step)] ?? 0
            // One more than was told of may have come through before its body could tell.
            if !(acknowledged...acknowledged + 1).contains(beat) {
                problems.append("\(plan)/\(step) found heartbeat \(beat), but \(acknowledged) was acknowledged last")
            }
            beats[Body(plan: plan, step: step)] = beat
        case .recordedStart(let plan, let step, let attempt):
            recordedStarts[Body(plan: plan, step: step), default: []].insert(attempt)
        case .recordedSuccess(let plan, let step): successes[Body(plan: plan, step: step), default: 0] += 1
        case .unsound(let text): problems.append(text)
        case .ready:
            // Each life that verifies tells the whole history.
            (recordedStarts, successes) = ([:], [:])
        case .full, .failed, .finished, .verified: break
        }
    }

    /// What was acknowledged once stays so.
    private mutating func note<Value: Equatable>(
        _ known: WritableKeyPath<Oracle, [String: Value]>, _ name: String, _ value: Value, _ what: String
    ) {
        if let earlier = self[keyPath: known][name], earlier != value {
            problems.append("\(what): \(earlier) was acknowledged, now it is \(value)")
        }
        self[keyPath: known][name] = value
    }

    private mutating func began(_ body: Body, _ attempt: Int) {
        bodies += 1
        guard let place = places[body] else { return problems.append("\(body) is in no plan") }
        if let last = attempts[body]?.last {
            if attempt <= last { problems.append("\(body): attempt \(attempt) began after attempt \(last)") }
            repeats += 1
        }
        attempts[body, default: []].append(attempt)
        if results[root(of: body.plan)] != nil {
            problems.append("\(body) began after the result of its run was acknowledged")
        }
        for later in begun[body.plan] ?? [] {
            if let other = places[later], place.precedes(other) {
                problems.append("\(body) ran again although \(later), which comes after it, had begun")
            }
        }
        begun[body.plan, default: []].insert(body)
    }

    /// The plan that the program started.
    private func root(of plan: String) -> String { String(plan.prefix { $0 != "." }) }

    /// What is missing once everything is said to be finished.
    mutating func closeBooks() -> [String] {
        for plan in plans.values where !plan.name.contains(".") {
            if results[plan.name] == nil { problems.append("\(plan.name) has no result") }
        }
        for (body, begun) in attempts {
            let missing = Set(begun).subtracting(recordedStarts[body] ?? [])
            if !missing.isEmpty {
                problems.append("\(body): attempts \(missing.sorted()) began, but their starts are not in the log")
            }
        }
        for (body, count) in successes where count != 1 {
            problems.append("\(body) has \(count) successes in the log")
        }
        for body in places.keys where attempts[body] == nil {
            problems.append("\(body) never ran")
        }
        return problems
    }
}
