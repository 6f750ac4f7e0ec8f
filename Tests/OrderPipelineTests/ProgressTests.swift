import Foundation
import Testing

@testable import OrderPipeline

@Suite struct ProgressTests {
    @Test func linesComeOutWhenTheyAreComplete() {
        var splitter = LineSplitter()
        #expect(splitter.lines(adding: Array("beg".utf8)) == [])
        #expect(splitter.lines(adding: Array("an\nsucc".utf8)) == ["began"])
        #expect(splitter.lines(adding: Array("eeded\n\nx\n".utf8)) == ["succeeded", "", "x"])
    }

    @Test func aKillCutsOffWhatRuns() {
        var tally = Tally()
        let marks: [Mark] = [.bodyBegan, .bodyBegan, .bodyBegan, .bodySucceeded, .bodyFailed, .orderFinished]
        marks.forEach { tally.take($0) }
        #expect(tally.running == 1)
        tally.workerWasKilled()
        #expect(tally.cutOff == 1)
        #expect(tally.kills == 1)
        #expect(tally.running == 0)
        #expect((tally.begun, tally.begunInThisLife) == (3, 0))
        #expect((tally.succeeded, tally.failed) == (1, 1))
    }

    @Test func ordersMetAgainAreNotCountedTwice() {
        var tally = Tally()
        for _ in 0..<3 { tally.take(.orderFinished) }
        tally.workerWasKilled()
        tally.take(.orderFinished)
        #expect(tally.ordersFinished == 3)
        for _ in 0..<3 { tally.take(.orderFinished) }
        #expect(tally.ordersFinished == 4)
    }

    @Test func theProgressLineShowsHowFarItIs() {
        var tally = Tally()
        for _ in 0..<5 { tally.take(.orderFinished) }
        #expect(
            Display.line(tally, orders: 10, seconds: 1.26)
                == "[############............] 5/10 orders  0 steps  0 failures  0 kills  1.2 s")
        tally.take(.orderFailed)
        #expect(Display.line(tally, orders: 10, seconds: 1.26).hasSuffix("1.2 s  1 orders FAILED"))
    }

    @Test func moneyAndShellWordsReadWell() {
        #expect(money(3_450_016) == "$34,500.16")
        #expect(money(7) == "$0.07")
        #expect(money(-123) == "-$1.23")
        #expect(grouped(1_000_000) == "1,000,000")
        #expect(shellQuoted(".demo/store") == ".demo/store")
        #expect(shellQuoted("it's") == #"'it'\''s'"#)
        #expect(shellQuoted("") == "''")
        #expect(shellQuoted("$(x)") == "'$(x)'")
    }
}

@Suite struct EffectLogTests {
    @Test func eachEffectIsOneWholeLine() throws {
        var template = Array("/tmp/order-effects-XXXXXX".utf8CString)
        let directory = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let path = directory + "/effects.jsonl"
        let effect = Effect(
            run: "r", order: "o\n", scope: "item-0", step: "reserve", occurrence: 0, attempt: 2, totalCents: 5)
        for _ in 0..<2 { try EffectLog(path: path).append(effect) }
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 2)
        for line in lines { #expect(try JSONDecoder().decode(Effect.self, from: Data(line.utf8)) == effect) }
    }

    @Test func aPlaceThatCannotBeWrittenIsAClearError() {
        let error = #expect(throws: PipelineError.self) { try EffectLog(path: "/nowhere/effects.jsonl") }
        #expect(error?.description.contains("cannot write /nowhere/effects.jsonl: No such file") == true)
    }
}

@Suite struct SummaryTests {
    private let report = CheckReport(
        ordersSucceeded: 2, steps: 1_200, retries: 3, interruptedAttempts: 4, duplicates: 0, totalCents: 150,
        expectedCents: 150, liveliestOrder: "a b")

    private func tally(kills: Int, cutOff: Int) -> Tally {
        var tally = Tally()
        for _ in 0..<cutOff { tally.take(.bodyBegan) }
        for _ in 0..<kills { tally.workerWasKilled() }
        return tally
    }

    @Test func theSummaryNamesEveryFigure() {
        let text = Verification.summary(
            report, tally: tally(kills: 3, cutOff: 2), orders: 2, skipped: 1, elapsed: .seconds(10),
            show: [".build/release/stepkit", "show", "a b", "--store", ".demo/store"])
        #expect(
            text == """

                  orders                2 of 2 succeeded
                  skipped lines         1
                  steps                 1,200
                  retries               3
                  crashes survived      3
                  interrupted attempts  4
                  steps/s               120  (10.0 s)
                  duplicates            0
                  money total           $1.50, 150 of 150 cents

                Look at one order's history:
                  .build/release/stepkit show 'a b' --store .demo/store

                """)
    }

    @Test func aDemoThatKilledEnoughHasNoProblem() {
        #expect(Verification.problems(tally(kills: 3, cutOff: 4), report) == [])
    }

    @Test func tooFewKillsAreAProblem() {
        #expect(Verification.problems(tally(kills: 2, cutOff: 1), report).count == 1)
    }

    @Test func noInterruptedAttemptIsAProblem() {
        var report = report
        report.interruptedAttempts = 0
        #expect(Verification.problems(tally(kills: 3, cutOff: 0), report) == ["no kill interrupted an attempt"])
    }

    @Test func aBodyCutOffButNotOnRecordIsAProblem() {
        #expect(
            Verification.problems(tally(kills: 3, cutOff: 5), report)
                == ["5 bodies were cut off, but only 4 are on record"])
    }
}
