import Foundation

/// What the independent checker found out; the keys are its own.
struct CheckReport: Codable {
    var ordersSucceeded: Int
    var steps: Int
    var retries: Int
    var interruptedAttempts: Int
    var duplicates: Int
    var totalCents: Int
    var expectedCents: Int
    /// Of the orders that a crash met, the one that went through the most.
    var liveliestOrder: String
}

/// Lets `stepkit` print what the store holds, lets `OrderCheck` hold it against the effects, and sums up.
struct Verification {
    var files: DemoFiles
    var tools: Tools
    var interrupts: Interrupts

    func verify(tally: Tally, orders: Int, skipped: Int, elapsed: Duration) throws -> Bool {
        try dump(["runs", "--json", "--store", files.store], to: files.runs)
        try dump(["events", "--json", "--store", files.store], to: files.events)
        let status = try check()
        // 1 says that a rule is broken; the report then tells how the figures stand all the same.
        let data = FileManager.default.contents(atPath: files.report)
        guard status == .exited(0) || status == .exited(1), let data else {
            throw PipelineError.toolFailed(name: tools.check, reason: status.description)
        }
        let report = try JSONDecoder().decode(CheckReport.self, from: data)
        let problems = Verification.problems(tally, report)
        problems.forEach { say("BROKEN  \($0)\n") }
        let holds = status == .exited(0) && problems.isEmpty
        say(
            Verification.summary(
                report, tally: tally, orders: orders, skipped: skipped, elapsed: elapsed,
                show: [tools.stepkit, "show", report.liveliestOrder, "--store", files.store]))
        say(holds ? "\nEverything held: every step is recorded exactly once.\n" : "\nFAILED: see BROKEN above.\n")
        return holds
    }

    /// What the demo itself promises, beyond what the checker can see.
    static func problems(_ tally: Tally, _ report: CheckReport) -> [String] {
        var problems: [String] = []
        if tally.kills < KillPlan.fewest {
            problems.append("the worker was killed \(tally.kills) times, not \(KillPlan.fewest) or more")
        }
        if report.interruptedAttempts < 1 { problems.append("no kill interrupted an attempt") }
        if report.interruptedAttempts < tally.cutOff {
            problems.append(
                "\(tally.cutOff) bodies were cut off, but only \(report.interruptedAttempts) are on record")
        }
        return problems
    }

    static func summary(
        _ report: CheckReport, tally: Tally, orders: Int, skipped: Int, elapsed: Duration, show: [String]
    ) -> String {
        let seconds = elapsed / .seconds(1)
        let rate = Int((Double(report.steps) / max(seconds, 0.001)).rounded())
        var rows = [
            ("orders", "\(grouped(report.ordersSucceeded)) of \(grouped(orders)) succeeded"),
            ("steps", grouped(report.steps)),
            ("retries", grouped(report.retries)),
            ("crashes survived", grouped(tally.kills)),
            ("interrupted attempts", grouped(report.interruptedAttempts)),
            ("steps/s", "\(grouped(rate))  (\((seconds * 10).rounded() / 10) s)"),
            ("duplicates", grouped(report.duplicates)),
            (
                "money total",
                "\(money(report.totalCents)), \(grouped(report.totalCents)) of \(grouped(report.expectedCents)) cents"
            ),
        ]
        if skipped > 0 { rows.insert(("skipped lines", grouped(skipped)), at: 1) }
        let lines = rows.map { name, value in
            "  " + name + String(repeating: " ", count: 22 - name.count) + value + "\n"
        }
        let command = show.map(shellQuoted).joined(separator: " ")
        return "\n" + lines.joined() + "\nLook at one order's history:\n  \(command)\n"
    }

    private func dump(_ arguments: [String], to path: String) throws {
        let file = try files.create(path)
        let end = try run(tools.stepkit, arguments) { try file.write(contentsOf: $0) }
        try file.close()
        guard end == .exited(0) else {
            let words = ([tools.stepkit] + arguments).joined(separator: " ")
            throw PipelineError.toolFailed(name: words, reason: end.description)
        }
    }

    private func check() throws -> ChildProcess.End {
        let arguments = [
            "--orders", files.orders, "--effects", files.effects, "--runs", files.runs, "--events", files.events,
            "--report", files.report,
        ]
        return try run(tools.check, arguments) { try FileHandle.standardOutput.write(contentsOf: $0) }
    }

    private func run(
        _ program: String, _ arguments: [String], output: (Data) throws -> Void
    ) throws -> ChildProcess.End {
        let child = try ChildProcess(program, arguments, errors: .standardError, interrupts: interrupts)
        while true {
            switch child.next(within: .seconds(1)) {
            case .output(let data): try output(data)
            case .quiet: continue
            case .interrupted:
                child.kill()
                throw PipelineError.interrupted
            case .ended: return child.wait()
            }
        }
    }
}
