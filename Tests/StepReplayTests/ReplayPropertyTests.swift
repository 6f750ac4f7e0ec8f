import StepCore
import StepEvents
import StepReplay
import TestSupport
import Testing

/// Random workflow trees, executed, cut at every event and continued.
@Suite struct ReplayPropertyTests {
    private static let lanes = 0..<8
    /// What each lane of each property executes at least: every execution and every cut of one is a history. Together
    /// over 10,000.
    private static let histories = (inOrder: 700, disorderly: 550, replayed: 100)

    private struct Broken: Error, CustomStringConvertible {
        let what: String
        let tree: WorkflowTree
        let seed: UInt64
        let test: String

        var description: String { "\(what)\nin \(tree), tree seed \(seed); repeat with \(TestSeed.command(test))" }
    }

    private static func start(_ seed: UInt64) -> [Event] {
        HistoryBuilder(input: Payload(json: "1"), seed: seed).events
    }

    // MARK: Properties

    /// One thing happens at a time: races, failures and cancelled runs too come out alike after every cut.
    @Test(arguments: lanes)
    func everyCutOfAHistoryLeadsToTheSameEnd(lane: Int) throws {
        let name = "everyCutOfAHistoryLeadsToTheSameEnd"
        try forEachTree(lane, salt: 1, races: true, Self.histories.inOrder) { tree, seed in
            func require(_ holds: Bool, _ what: @autoclosure () -> String) throws {
                if !holds { throw Broken(what: what(), tree: tree, seed: seed, test: name) }
            }
            let simulation = TreeSimulation(tree: tree, seed: seed, inOrder: true, cancels: seed.isMultiple(of: 5))
            let live = try simulation.run(from: Self.start(seed))
            try require(live.reports.allSatisfy(\.isHarmless), "live: \(live.reports)")
            try require(Self.isInOrder(live.trace, live.log), "not in the order of the history: \(live.trace)")
            for cut in 1..<live.log.count {
                let prefix = Array(live.log.prefix(cut))
                let again = try simulation.run(from: prefix)
                try require(Self.isAlike(again.end, live.end), "cut at \(cut): \(again.end), not \(live.end)")
                // What was cancelled before it began, and what was after, is told of in another order after a cut.
                try require(
                    again.trace.filter(Self.isOutcome) == live.trace.filter(Self.isOutcome),
                    "cut at \(cut): \(again.trace), not \(live.trace)")
                try require(Array(again.log.prefix(cut)) == prefix, "cut at \(cut): the history was rewritten")
                try require(again.reports.allSatisfy(\.isHarmless), "cut at \(cut): \(again.reports)")
                _ = try RunState(history: again.log)
                let repeated = Self.finished(prefix).intersection(again.bodiesBegun.keys)
                try require(repeated.isEmpty, "cut at \(cut): \(repeated) had ended and ran again")
            }
            return live.log.count
        }
    }

    /// Several things happen in one turn, commits are late, the run parks and shuts down: the output is the same
    /// wherever it does not depend on their order.
    @Test(arguments: lanes)
    func everyCutOfADisorderlyHistoryLeadsToTheSameOutput(lane: Int) throws {
        let name = "everyCutOfADisorderlyHistoryLeadsToTheSameOutput"
        try forEachTree(lane, salt: 2, races: false, Self.histories.disorderly) { tree, seed in
            func require(_ holds: Bool, _ what: @autoclosure () -> String) throws {
                if !holds { throw Broken(what: what(), tree: tree, seed: seed, test: name) }
            }
            let simulation = TreeSimulation(tree: tree, seed: seed, inOrder: false)
            let live = try simulation.run(from: Self.start(seed))
            for cut in 1..<live.log.count {
                let prefix = Array(live.log.prefix(cut))
                let again = try simulation.run(from: prefix)
                try require(again.end == live.end, "cut at \(cut): \(again.end), not \(live.end)")
                try require(Array(again.log.prefix(cut)) == prefix, "cut at \(cut): the history was rewritten")
                try require(again.reports.allSatisfy(\.isHarmless), "cut at \(cut): \(again.reports)")
                _ = try RunState(history: again.log)
                let repeated = Self.finished(prefix).intersection(again.bodiesBegun.keys)
                try require(repeated.isEmpty, "cut at \(cut): \(repeated) had ended and ran again")
            }
            return live.log.count
        }
    }

    /// Races, several completions in one turn, late commits: whatever came out is what a replay of it gives.
    @Test(arguments: lanes)
    func aReplayOfAFinishedHistoryAsksForNothing(lane: Int) throws {
        let name = "aReplayOfAFinishedHistoryAsksForNothing"
        try forEachTree(lane, salt: 3, races: true, Self.histories.replayed) { tree, seed in
            func require(_ holds: Bool, _ what: @autoclosure () -> String) throws {
                if !holds { throw Broken(what: what(), tree: tree, seed: seed, test: name) }
            }
            let simulation = TreeSimulation(
                tree: tree, seed: seed, inOrder: false, cancels: seed.isMultiple(of: 5))
            let live = try simulation.run(from: Self.start(seed))
            let again = try simulation.run(from: Array(live.log.dropLast()))
            try require(again.log.map(\.body) == live.log.map(\.body), "another history: \(again.log.map(\.kind))")
            try require(again.end == live.end, "\(again.end), not \(live.end)")
            try require(again.trace == live.trace, "\(again.trace), not \(live.trace)")
            try require(again.bodiesBegun.isEmpty && again.instances == 1, "\(again.bodiesBegun) ran")
            try require(again.reports.isEmpty, "\(again.reports)")
            return 2
        }
    }

    /// What an engine leaves on disk when it begins: nothing follows from such a history until what it waits for comes.
    @Test(arguments: lanes)
    func aRunAtRestHasNothingToDo(lane: Int) throws {
        let name = "aRunAtRestHasNothingToDo"
        var rests = 0
        try forEachTree(lane, salt: 4, races: true, Self.histories.disorderly) { tree, seed in
            let simulation = TreeSimulation(
                tree: tree, seed: seed, inOrder: seed.isMultiple(of: 2), cancels: seed.isMultiple(of: 5))
            let live = try simulation.run(from: Self.start(seed))
            // Where the function computes or the engine shuts down, an outcome is written before what follows from it.
            let outcomes = live.log.indices.filter { live.log[$0].endedStep != nil }.map { $0 + 1 }
            for end in Set(live.commandEnds + outcomes).sorted() {
                let prefix = Array(live.log.prefix(end))
                // A failed function's next attempt begins when its time has come; the engine sees to that.
                guard let state = try? RunState(history: prefix), state.isAtRest, state.retryAt == nil else { continue }
                rests += 1
                let next = try simulation.whatFollows(prefix)
                if !next.isEmpty {
                    throw Broken(what: "cut at \(end): \(next) follow", tree: tree, seed: seed, test: name)
                }
            }
            return live.log.count
        }
        #expect(rests > 5)
    }

    // MARK: Parts

    private func forEachTree(
        _ lane: Int, salt: UInt64, races: Bool, _ wanted: Int, _ body: (WorkflowTree, UInt64) throws -> Int
    ) throws {
        var seeds = SeededGenerator(seed: TestSeed.value &+ UInt64(lane) &* 1_000_003 &+ salt &* 7_919)
        var histories = 0
        while histories < wanted {
            let seed = seeds.next()
            var generator = SeededGenerator(seed: seed)
            var parts = (0..<2 + generator.below(3)).map { _ in
                WorkflowTree.draw(&generator, depth: 2, races: races)
            }
            if generator.once(in: 6) { parts.append(.trip(attempts: 1)) }
            histories += try body(.sequence(parts), seed)
        }
    }

    /// Whether the function was handed its items in the order of their outcomes in the history.
    private static func isInOrder(_ trace: [String], _ log: [Event]) -> Bool {
        var numbers: [String: StepNumber] = [:]
        var outcomes: [StepNumber: UInt32] = [:]
        for event in log {
            if let key = event.introducedKey {
                numbers["\(key.scope)/\(key.id) \(key.occurrence)"] = StepNumber(event.sequence)
            }
            if let step = event.endedStep { outcomes[step] = event.sequence }
        }
        var seen: [Substring: Int] = [:]
        var last: UInt32 = 0
        for line in trace {
            let name = line.prefix { $0 != "=" && $0 != "!" }
            let occurrence = seen[name, default: 0]
            seen[name] = occurrence + 1
            // A step that was cancelled before it began stands nowhere.
            guard let sequence = numbers["\(name) \(occurrence)"].flatMap({ outcomes[$0] }) else { continue }
            guard sequence > last else { return false }
            last = sequence
        }
        return true
    }

    /// The steps that have ended in the history for good, and whose bodies must not run again.
    private static func finished(_ log: [Event]) -> Set<StepKey> {
        var keys: [StepNumber: StepKey] = [:]
        var finished: Set<StepKey> = []
        var cancelled: Set<StepKey> = []
        for event in log {
            if let key = event.introducedKey { keys[StepNumber(event.sequence)] = key }
            if let step = event.endedStep, let key = keys[step] {
                if event.kind == .stepCancelled { cancelled.insert(key) } else { finished.insert(key) }
            }
            // What a failed attempt of the function cancelled is asked for anew by the next.
            if event.kind == .runAttemptFailed { cancelled = [] }
        }
        return finished.union(cancelled)
    }

    private static func isOutcome(_ line: String) -> Bool { !line.hasSuffix("!CancellationError") }

    /// Alike: an attempt more that a cut caused may be told of in an error.
    private static func isAlike(_ left: MachineEnd, _ right: MachineEnd) -> Bool {
        switch (left, right) {
        case (.failed(let left), .failed(let right)): left.type == right.type && left.causes == right.causes
        default: left == right
        }
    }
}

extension MachineReport {
    /// Whether it tells of nothing but the late end of a body that was cancelled.
    fileprivate var isHarmless: Bool { if case .lateResult = self { true } else { false } }
}

extension Event {
    /// The key of the step that the event introduces.
    var introducedKey: StepKey? {
        switch body {
        case .stepStarted(let body): if case .new(let key) = body.step { key } else { nil }
        case .slept(let body): body.key
        case .waitStarted(let body): body.key
        case .signalSent(let body): body.key
        case .invokeStarted(let body): body.key
        default: nil
        }
    }

    /// The step that the event ends.
    var endedStep: StepNumber? {
        switch body {
        case .stepSucceeded(let body): body.step
        case .stepFailed(let body): body.retryAt == nil ? body.step : nil
        case .stepCancelled(let body): body.step
        case .woke(let body): body.step
        case .waitResolved(let body): body.step
        case .waitTimedOut(let body): body.step
        case .waitCancelled(let body): body.step
        case .signalDelivered(let body): body.step
        case .invokeFinished(let body): body.step
        default: nil
        }
    }
}
