import Foundation
import Testing

@testable import OrderCheck

/// Starts from evidence that holds and tampers with it in one place: the rule concerned, and only what goes with it,
/// must break.
@Suite struct CheckTests {
    private func broken(_ evidence: Evidence) -> [String] {
        Check(evidence).verdicts.filter { !$0.holds }.map(\.rule)
    }

    @Test func honestEvidenceHolds() {
        let check = Check(honestEvidence())
        #expect(check.verdicts.filter { !$0.holds } == [])
        #expect(
            check.figures
                == Figures(
                    ordersSucceeded: 2, steps: 9, retries: 1, interruptedAttempts: 1, duplicates: 0, totalCents: 300,
                    expectedCents: 300, liveliestOrder: "a"))
    }

    @Test func theOrderToLookAtIsOneThatACrashMet() throws {
        var evidence = honestEvidence()
        let started = try #require(evidence.events.last { $0.run == "run-b" && $0.kind == "stepStarted" })
        for attempt in 2...5 { evidence.append(started, kind: "stepFailed", attempt: attempt) }
        #expect(Check(evidence).figures.liveliestOrder == "a")

        evidence.events.removeAll { $0.kind == "stepInterrupted" }
        #expect(Check(evidence).figures.liveliestOrder == "b")
    }

    @Test func anUnreadableLineBreaksTheFirstRule() {
        var evidence = honestEvidence()
        evidence.unreadable = ["effects, line 3: not what it should be"]
        #expect(broken(evidence) == ["every line of evidence can be read"])
    }

    @Test func aMissingEventLeavesAGap() throws {
        var evidence = honestEvidence()
        let slept = try #require(evidence.events.firstIndex { $0.kind == "slept" })
        evidence.events.remove(at: slept)
        #expect(broken(evidence) == ["the log is in order and has no gap"])
    }

    @Test func eventsOutOfOrderAreNoticed() throws {
        var evidence = honestEvidence()
        evidence.events.swapAt(1, 2)
        #expect(broken(evidence) == ["the log is in order and has no gap"])
    }

    @Test func anEventPrintedTwiceIsNoticed() throws {
        var evidence = honestEvidence()
        evidence.events.insert(evidence.events[0], at: 1)
        #expect(broken(evidence) == ["the log is in order and has no gap"])
    }

    @Test func aStepEventWithoutItsNameIsNoticed() throws {
        var evidence = honestEvidence()
        let index = try #require(evidence.events.firstIndex { $0.kind == "stepFailed" })
        evidence.events[index].scope = nil
        #expect(
            broken(evidence) == [
                "the log is in order and has no gap", "each attempt that started has one end",
            ])
    }

    @Test(arguments: ["failed", "running", "cancelled"])
    func anOrderThatDidNotSucceedIsNoticed(status: String) {
        var evidence = honestEvidence()
        evidence.runs[1].status = status
        #expect(broken(evidence) == ["each order succeeded once"])
    }

    @Test func anOrderWithTwoRunsIsNoticed() {
        var evidence = honestEvidence()
        evidence.runs.append(RunLine(run: "run-z", workflow: "process-order", key: "b", status: "succeeded"))
        #expect(broken(evidence) == ["each order succeeded once"])
    }

    @Test func anOrderWithoutARunIsNoticed() {
        var evidence = honestEvidence()
        evidence.orders.append(InputOrder(orderID: "c", items: [], totalCents: 0))
        #expect(broken(evidence) == ["each order succeeded once", "the confirmations add up to the input"])
    }

    @Test func aRunThatNoOrderAskedForIsNoticed() {
        var evidence = honestEvidence()
        evidence.runs.append(RunLine(run: "run-z", workflow: "process-order", key: "z", status: "succeeded"))
        #expect(broken(evidence) == ["each order succeeded once"])
    }

    @Test func aRunWhoseLogDoesNotSaySoIsNoticed() throws {
        var evidence = honestEvidence()
        let index = try #require(evidence.events.lastIndex { $0.kind == "runSucceeded" })
        evidence.events[index].kind = "runFailed"
        #expect(broken(evidence) == ["each order succeeded once"])
    }

    @Test func aStepLeftOutIsNoticed() throws {
        var evidence = honestEvidence()
        evidence.orders[1].items.append(InputOrder.Item(name: "Bun", quantity: 1, lineTotalCents: 0))
        #expect(broken(evidence) == ["each order took all its steps, and no other"])
    }

    @Test func aStepTooManyIsNoticed() {
        var evidence = honestEvidence()
        evidence.orders[0].items.removeLast()
        #expect(broken(evidence) == ["each order took all its steps, and no other"])
    }

    @Test func aStepThatSucceededTwiceIsNoticed() throws {
        var evidence = honestEvidence()
        let success = try #require(evidence.events.last { $0.kind == "stepSucceeded" })
        evidence.append(success, kind: "stepStarted", attempt: 7)
        evidence.append(success, kind: "stepSucceeded", attempt: 7)
        #expect(
            broken(evidence) == [
                "each step succeeded once", "each finished step has one effect of its successful attempt",
            ])
        #expect(Check(evidence).figures.duplicates == 1)
    }

    @Test func anAttemptWithoutEndIsNoticed() throws {
        var evidence = honestEvidence()
        let success = try #require(evidence.events.last { $0.kind == "stepSucceeded" })
        evidence.append(success, kind: "stepStarted", attempt: 7)
        #expect(broken(evidence) == ["each attempt that started has one end"])
    }

    @Test func anAttemptStartedTwiceIsNoticed() throws {
        var evidence = honestEvidence()
        let success = try #require(evidence.events.last { $0.kind == "stepSucceeded" })
        evidence.append(success, kind: "stepStarted", attempt: 1)
        #expect(broken(evidence) == ["each attempt that started has one end"])
    }

    @Test func aFinishedStepWithoutEffectIsNoticed() throws {
        var evidence = honestEvidence()
        evidence.effects.removeAll { $0.step == "create-shipment" && $0.order == "b" }
        #expect(broken(evidence) == ["each finished step has one effect of its successful attempt"])
    }

    @Test func anEffectOfAnotherAttemptDoesNotStandIn() throws {
        var evidence = honestEvidence()
        // Item 0 of order a failed after its effect, then succeeded: without the second effect something is missing.
        evidence.effects.removeAll { $0.order == "a" && $0.scope == "item-0" && $0.attempt == 2 }
        #expect(evidence.effects.contains { $0.order == "a" && $0.scope == "item-0" })
        #expect(broken(evidence) == ["each finished step has one effect of its successful attempt"])
    }

    @Test func anEffectThatHappenedTwiceIsNoticed() throws {
        var evidence = honestEvidence()
        evidence.effects.append(try #require(evidence.effects.first { $0.step == "reserve" && $0.attempt == 1 }))
        #expect(broken(evidence) == ["no attempt has two effects"])
        #expect(Check(evidence).figures.duplicates == 1)
    }

    @Test func anEffectOfASuccessfulAttemptThatHappenedTwiceBreaksBothRules() throws {
        var evidence = honestEvidence()
        evidence.effects.append(try #require(evidence.effects.first { $0.order == "b" && $0.step == "reserve" }))
        #expect(
            broken(evidence) == [
                "each finished step has one effect of its successful attempt", "no attempt has two effects",
            ])
    }

    @Test func anEffectWithoutRecordedStartIsNoticed() throws {
        var evidence = honestEvidence()
        evidence.effects[0].attempt = 9
        evidence.effects.append(honestEvidence().effects[0])
        #expect(broken(evidence) == ["each effect has its recorded start"])
    }

    @Test func aConfirmationOfAnotherAmountIsNoticed() throws {
        var evidence = honestEvidence()
        let index = try #require(evidence.effects.firstIndex { $0.step == "send-confirmation" })
        evidence.effects[index].totalCents += 1
        #expect(broken(evidence) == ["the confirmations add up to the input"])
    }

    @Test func twoWrongConfirmationsThatMakeTheRightSumAreNoticed() throws {
        var evidence = honestEvidence()
        let indexes = evidence.effects.indices.filter { evidence.effects[$0].step == "send-confirmation" }
        try #require(indexes.count == 2)
        evidence.effects[indexes[0]].totalCents += 1
        evidence.effects[indexes[1]].totalCents -= 1
        #expect(broken(evidence) == ["the confirmations add up to the input"])
    }

    @Test func aConfirmationForAnotherOrderIsNoticed() throws {
        var evidence = honestEvidence()
        let index = try #require(evidence.effects.firstIndex { $0.step == "send-confirmation" && $0.order == "a" })
        evidence.effects[index].order = "b"
        #expect(broken(evidence) == ["the confirmations add up to the input"])
    }

    @Test func absurdAmountsDoNotTrap() throws {
        var evidence = honestEvidence()
        for index in evidence.effects.indices { evidence.effects[index].totalCents = .max }
        #expect(broken(evidence) == ["the confirmations add up to the input"])
    }
}
