import Foundation
import Testing

@testable import OrderCheck

@Suite struct EvidenceTests {
    private let order = #"{"orderID":"a","items":[{"name":"S","quantity":1,"lineTotalCents":5}],"totalCents":5}"#
    private let effect =
        #"{"run":"r","order":"a","scope":"item-0","step":"reserve","occurrence":0,"attempt":2,"totalCents":5}"#
    private let run = #"{"run":"r","workflow":"process-order","version":"1","key":"a","status":"succeeded","more":[]}"#
    private let event =
        #"{"lsn":4,"run":"r","seq":0,"kind":"stepStarted","scope":"item-0","step":"reserve","occurrence":0,"attempt":2}"#

    private func evidence(
        orders: String? = nil, effects: String? = nil, runs: String? = nil, events: String? = nil
    ) -> Evidence {
        Evidence(
            orders: Data((orders ?? order).utf8), effects: Data((effects ?? effect).utf8),
            runs: Data((runs ?? run).utf8), events: Data((events ?? event).utf8))
    }

    @Test func effectsAndEventsNameTheSameAttempt() throws {
        let evidence = evidence()
        #expect(evidence.unreadable.isEmpty)
        #expect(evidence.orders.map(\.totalCents) == [5])
        #expect(evidence.runs.map(\.key) == ["a"])
        let key = try #require(evidence.effects.first?.attemptKey)
        #expect(key.description == "attempt 2 of step item-0/reserve of run r")
        #expect(evidence.events.first?.attemptKey == key)
    }

    @Test func aTornLineIsReportedWithItsNumber() {
        let torn = evidence(effects: effect + "\n" + effect.dropLast(9), runs: "{}", events: "\n{\"lsn\":true}\n")
        #expect(
            torn.unreadable == [
                "effects, line 2: not what it should be", "runs, line 1: not what it should be",
                "events, line 2: not what it should be",
            ])
    }

    @Test func linesOfTheInputThatHoldNoNewOrderAreCounted() {
        let unusable = order.replacingOccurrences(of: #""a""#, with: #""""#)
        let negative = order.replacingOccurrences(of: #""totalCents":5"#, with: #""totalCents":-5"#)
        let lines = [order, "oops", order, "", unusable, negative, OrderFileTests.hugeQuantities]
        let evidence = evidence(orders: lines.joined(separator: "\n"))
        #expect(evidence.orders.count == 1)
        #expect(evidence.skippedInputLines == 5)
    }

    @Test func argumentsComeInPairs() throws {
        let arguments = try Arguments(["--runs", "r", "--orders", "o", "--events", "e", "--effects", "f"])
        #expect(arguments.values == ["--runs": "r", "--orders": "o", "--events": "e", "--effects": "f"])
        #expect(throws: Problem.self) { try Arguments(["--runs", "r"]) }
        #expect(throws: Problem.self) { try Arguments(["--what", "r"]) }
        #expect(throws: Problem.self) { try Arguments(["--runs"]) }
    }

    @Test func brokenRulesShowTheirFirstBreaches() {
        let text = Main.text(
            of: [Verdict(rule: "fine", breaches: []), Verdict(rule: "bad", breaches: ["x", "y", "z"])], most: 2)
        #expect(
            text == """
                ok      fine
                BROKEN  bad
                          x
                          y
                          and 1 more

                """)
    }
}
