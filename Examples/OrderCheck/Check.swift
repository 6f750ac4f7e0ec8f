/// One rule, and everything that breaks it.
struct Verdict: Equatable {
    var rule: String
    var breaches: [String]
    var holds: Bool { breaches.isEmpty }
}

/// Holds what the engine recorded against what the attempts really did.
struct Check {
    private let evidence: Evidence
    /// The runs of each key, and the key of each run.
    private let runsOfKey: [String: [RunLine]]
    private let keyOfRun: [String: String]
    private let events: EventIndex
    private let effectsOfAttempt: [AttemptKey: [EffectLine]]

    init(_ evidence: Evidence) {
        self.evidence = evidence
        let runs = evidence.runs.filter { $0.workflow == "process-order" }
        runsOfKey = Dictionary(grouping: runs) { $0.key ?? "" }
        keyOfRun = Dictionary(runs.map { ($0.run, $0.key ?? "") }) { first, _ in first }
        events = EventIndex(evidence.events)
        effectsOfAttempt = Dictionary(grouping: evidence.effects, by: \.attemptKey)
    }

    /// Every rule, in the order in which they are printed.
    var verdicts: [Verdict] {
        [
            Verdict(rule: "every line of evidence can be read", breaches: evidence.unreadable),
            Verdict(rule: "the log is in order and has no gap", breaches: events.disorder),
            Verdict(rule: "each order succeeded once", breaches: ordersNotSucceededOnce),
            Verdict(rule: "each order took all its steps, and no other", breaches: wrongSteps),
            Verdict(rule: "each step succeeded once", breaches: stepsSucceededTwice),
            Verdict(rule: "each attempt that started has one end", breaches: attemptsWithoutOneEnd),
            Verdict(rule: "each finished step has one effect of its successful attempt", breaches: missingEffects),
            Verdict(rule: "no attempt has two effects", breaches: doubleEffects),
            Verdict(rule: "each effect has its recorded start", breaches: effectsWithoutStart),
            Verdict(rule: "the confirmations add up to the input", breaches: wrongMoney),
        ]
    }

    private var ordersNotSucceededOnce: [String] {
        var breaches: [String] = []
        for order in evidence.orders {
            let runs = runsOfKey[order.orderID] ?? []
            guard runs.count == 1, let run = runs.first else {
                breaches.append("order \(order.orderID) has \(runs.count) runs")
                continue
            }
            if run.status != "succeeded" { breaches.append("order \(order.orderID): its run is \(run.status)") }
            let ends = events.runEnds[run.run] ?? []
            if ends != ["runSucceeded"] { breaches.append("order \(order.orderID): its log says \(ends)") }
        }
        let known = Set(evidence.orders.map(\.orderID))
        let strangers = runsOfKey.keys.filter { !known.contains($0) }.sorted()
        return breaches + strangers.map { "a run has the key \($0), which no order has" }
    }

    private var wrongSteps: [String] {
        var succeeded: [String: [StepKey]] = [:]
        for step in events.ends(.stepSucceeded).map(\.stepKey) { succeeded[step.run, default: []].append(step) }
        return evidence.orders.compactMap { order in
            guard let run = runsOfKey[order.orderID]?.first?.run else { return nil }
            var expected = Set(
                ["validate-payment", "create-shipment", "send-confirmation"].map {
                    StepKey(run: run, scope: "", step: $0, occurrence: 0)
                })
            for index in order.items.indices {
                expected.insert(StepKey(run: run, scope: "item-\(index)", step: "reserve", occurrence: 0))
            }
            let found = Set(succeeded[run] ?? [])
            let missing = expected.subtracting(found).map { "lacks \($0)" }
            let extra = found.subtracting(expected).map { "also has \($0)" }
            let differences = (missing + extra).sorted()
            return differences.isEmpty ? nil : "order \(order.orderID) \(differences.joined(separator: ", "))"
        }
    }

    private var stepsSucceededTwice: [String] {
        counts(events.ends(.stepSucceeded).map(\.stepKey))
            .filter { $0.value > 1 }
            .map { "\($0.key) succeeded \($0.value) times" }.sorted()
    }

    private var attemptsWithoutOneEnd: [String] {
        let starts = counts(events.starts)
        let ends = counts(AttemptEnd.allCases.flatMap { events.ends($0) })
        return Set(starts.keys).union(ends.keys)
            .filter { starts[$0] != 1 || ends[$0] != 1 }
            .map { "\($0) started \(starts[$0] ?? 0) times and ended \(ends[$0] ?? 0) times" }.sorted()
    }

    private var missingEffects: [String] {
        events.ends(.stepSucceeded).compactMap { attempt in
            let count = effectsOfAttempt[attempt]?.count ?? 0
            return count == 1 ? nil : "\(attempt) succeeded and has \(count) effects"
        }
    }

    private var doubleEffects: [String] {
        effectsOfAttempt.filter { $0.value.count > 1 }.map { "\($0.key) has \($0.value.count) effects" }.sorted()
    }

    private var effectsWithoutStart: [String] {
        let starts = Set(events.starts)
        return effectsOfAttempt.keys.filter { !starts.contains($0) }
            .map { "\($0) has an effect but no recorded start" }.sorted()
    }

    private var wrongMoney: [String] {
        var breaches: [String] = []
        var confirmed: [String: Int] = [:]
        for effect in confirmations {
            if keyOfRun[effect.run] != effect.order {
                breaches.append("order \(effect.order) was confirmed by another order's run, \(effect.run)")
            }
            confirmed[effect.order, default: 0] = sum([confirmed[effect.order] ?? 0, effect.totalCents])
        }
        for order in evidence.orders where confirmed[order.orderID] != order.totalCents {
            let cents = confirmed[order.orderID].map(String.init) ?? "no"
            breaches.append("order \(order.orderID): \(order.totalCents) cents ordered, \(cents) cents confirmed")
        }
        let figures = figures
        if figures.totalCents != figures.expectedCents {
            breaches.append("\(figures.expectedCents) cents ordered in all, \(figures.totalCents) confirmed")
        }
        return breaches
    }

    /// The effects of the confirmations' successful attempts.
    private var confirmations: [EffectLine] {
        events.ends(.stepSucceeded).filter { $0.stepKey.step == "send-confirmation" }
            .flatMap { effectsOfAttempt[$0] ?? [] }
    }
}

extension Check {
    /// What the summary tells.
    var figures: Figures {
        let succeeded = events.ends(.stepSucceeded)
        let highestAttempt = Dictionary(events.starts.map { ($0.stepKey, $0.attempt) }, uniquingKeysWith: max)
        let retried = events.ends(.stepFailed).filter { $0.attempt < highestAttempt[$0.stepKey] ?? 0 }
        let interrupted = events.ends(.stepInterrupted)
        let trouble = counts((events.ends(.stepFailed) + interrupted).compactMap { keyOfRun[$0.stepKey.run] })
        // Crashes are what the demo is about: an order that one met comes before any that services merely failed.
        let crashed = Set(interrupted.compactMap { keyOfRun[$0.stepKey.run] })
        let candidates = crashed.isEmpty ? trouble : trouble.filter { crashed.contains($0.key) }
        return Figures(
            ordersSucceeded: evidence.orders.count { order in
                runsOfKey[order.orderID]?.contains { $0.status == "succeeded" } ?? false
            },
            steps: Set(succeeded.map(\.stepKey)).count,
            retries: retried.count,
            interruptedAttempts: interrupted.count,
            duplicates: effectsOfAttempt.values.reduce(0) { $0 + $1.count - 1 }
                + succeeded.count - Set(succeeded.map(\.stepKey)).count,
            totalCents: sum(confirmations.map(\.totalCents)),
            expectedCents: sum(evidence.orders.map(\.totalCents)),
            liveliestOrder: candidates.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
                ?? evidence.orders.first?.orderID ?? "")
    }
}

/// The figures of the summary, as `--report` writes them.
struct Figures: Encodable, Equatable {
    var ordersSucceeded: Int
    var steps: Int
    var retries: Int
    var interruptedAttempts: Int
    var duplicates: Int
    var totalCents: Int
    var expectedCents: Int
    /// The order with the most failed and interrupted attempts, among those with an interrupted one if there are any.
    var liveliestOrder: String
}

func counts<Key: Hashable>(_ keys: some Sequence<Key>) -> [Key: Int] {
    keys.reduce(into: [:]) { $0[$1, default: 0] += 1 }
}

/// A sum that stops at the largest number instead of trapping: evidence may hold anything.
func sum(_ numbers: [Int]) -> Int {
    numbers.reduce(0) { total, number in
        let (result, overflow) = total.addingReportingOverflow(number)
        return overflow ? (number < 0 ? .min : .max) : result
    }
}
