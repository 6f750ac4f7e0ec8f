@testable import OrderCheck

/// Two orders as the demo leaves them. Order a has two items: the first was reserved at the second attempt, after a
/// failure that came after its effect; its shipment was cut off by a crash, after its effect too.
func honestEvidence() -> Evidence {
    var story = Story()
    story.start("a", run: "run-a", items: 2, cents: 100)
    story.step("validate-payment", ["stepSucceeded"])
    story.step("reserve", scope: "item-0", ["stepFailed", "stepSucceeded"])
    story.step("reserve", scope: "item-1", ["stepSucceeded"])
    story.step("create-shipment", ["stepInterrupted", "stepSucceeded"])
    story.finish()
    story.start("b", run: "run-b", items: 1, cents: 200)
    story.step("validate-payment", ["stepSucceeded"])
    story.step("reserve", scope: "item-0", ["stepSucceeded"])
    story.step("create-shipment", ["stepSucceeded"])
    story.finish()
    return story.evidence
}

/// Tells what happened to one order after the other.
private struct Story {
    var evidence = Evidence(orders: [], effects: [], runs: [], events: [])
    private var order = ""
    private var run = ""
    private var cents = 0

    mutating func start(_ order: String, run: String, items: Int, cents: Int) {
        (self.order, self.run, self.cents) = (order, run, cents)
        evidence.orders.append(
            InputOrder(
                orderID: order,
                items: (0..<items).map { _ in InputOrder.Item(name: "Soup", quantity: 1, lineTotalCents: 1) },
                totalCents: cents))
        evidence.runs.append(RunLine(run: run, workflow: "process-order", key: order, status: "succeeded"))
        evidence.append(EventLine(lsn: 0, kind: "", run: run), kind: "runStarted")
    }

    /// A step whose attempts end so, one after the other, each with its effect.
    mutating func step(_ step: String, scope: String = "", _ ends: [String]) {
        for (index, end) in ends.enumerated() {
            let name = EventLine(lsn: 0, kind: "", run: run, scope: scope, step: step, occurrence: 0)
            evidence.append(name, kind: "stepStarted", attempt: index + 1)
            evidence.effects.append(
                EffectLine(
                    run: run, order: order, scope: scope, step: step, occurrence: 0, attempt: index + 1,
                    totalCents: cents))
            evidence.append(name, kind: end, attempt: index + 1)
        }
    }

    mutating func finish() {
        evidence.append(
            EventLine(lsn: 0, kind: "", run: run, scope: "", step: "cooling-off", occurrence: 0), kind: "slept")
        step("send-confirmation", ["stepSucceeded"])
        evidence.append(EventLine(lsn: 0, kind: "", run: run), kind: "runSucceeded")
    }
}

extension Evidence {
    /// Appends an event like the given one at the end of the log, numbered as it must be there. A commit record's LSN
    /// is left out before each, as in a real log.
    mutating func append(_ event: EventLine, kind: String, attempt: Int? = nil) {
        var event = event
        event.lsn = (events.last?.lsn ?? 0) + 2
        event.kind = kind
        event.seq = events.count { $0.run == event.run }
        event.attempt = attempt
        events.append(event)
    }
}
