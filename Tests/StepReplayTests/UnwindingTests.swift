import StepCore
import StepEvents
import StepLocks
import StepReplay
import TestSupport
import Testing

/// Functions that leave memory, willingly or not.
@Suite struct UnwindingTests {
    @Test func aWaitingRunParksAndContinuesWhereItWas() throws {
        let host = ModelHost(
            flow { context, step in
                try await step.sleep("one", for: .seconds(1))
                try await step.sleep("two", for: .seconds(1))
                return context.input
            }, log: InstanceTests.start(input: "5"))
        try host.begin()
        let before = host.log
        host.post(.park)
        #expect(host.ends == [.unwound] && host.log == before)
        try host.begin()
        InstanceTests.drive(host)
        #expect(host.log == before)
        host.finish()
    }

    @Test func aRunThatDoesMoreThanWaitStays() throws {
        let box = ModelBox()
        let host = ModelHost(
            flow { _, step in
                try await step.run("a") { context in await box.host?.gate(context) }
                return 1
            }, log: InstanceTests.start())
        box.host = host
        try host.begin()
        host.post(.park)
        #expect(host.ends.isEmpty)
        host.finish()
    }

    @Test func aRunThatWorksOutsideOfStepsStays() throws {
        let host = ModelHost(
            flow { context, step in
                try await context.outside("foreign") { try await step.sleep("nap", for: .seconds(1)) }
                return try await step.waitForSignal("w", signal: "s", as: Int.self)
            }, log: InstanceTests.start())
        try host.begin()
        host.post(.park)
        #expect(host.ends.isEmpty)
        host.happen(host.choices[0])
        host.settle()
        host.post(.park)
        #expect(host.ends == [.unwound])
        host.finish()
    }

    @Test func aWorkflowThatNeverParksStays() throws {
        let host = ModelHost(
            flow(options: WorkflowOptions(parking: .never)) { _, step in
                try await step.sleep("nap", for: .seconds(1))
                return 1
            }, log: InstanceTests.start())
        try host.begin()
        host.post(.park)
        #expect(host.ends.isEmpty)
        host.finish()
    }

    /// As many branches as there may be: each gets its `RunUnwinding`.
    @Test func aWideFunctionUnwindsWhole() throws {
        let host = ModelHost(
            flow { _, step in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for branch in 0..<500 {
                        group.addTask { try await step.sleep("nap\(branch)", for: .seconds(1)) }
                    }
                    try await group.waitForAll()
                }
                return 1
            }, log: InstanceTests.start())
        try host.begin()
        host.post(.park)
        #expect(host.ends == [.unwound])
        host.finish()
    }

    @Test func whatComesWhileTheFunctionLeavesIsKeptForTheNext() throws {
        let host = ModelHost(
            flow { _, step in
                let first = try await step.waitForSignal("w", signal: "s", as: Int.self)
                return (first ?? 0) + 1_000
            }, log: InstanceTests.start())
        try host.begin()
        let step = StepNumber(1)
        _ = host.instance?.deposit(.unwind(interrupting: false))
        host.happen(.signal(step))
        if let instance = host.instance { host.schedule(instance) }
        host.settle()
        #expect(host.ends == [.unwound] && host.bounced.count == 1)
        try host.begin()
        #expect(host.ends.last == .succeeded(Payload(json: "1001")))
        host.finish()
    }

    @Test func aResultThatNoLongerDecodesHoldsTheRun() throws {
        var history = HistoryBuilder(input: Payload(json: "1"))
        history.finished("a", #""text""#)
        let host = ModelHost(flow { _, step in try await step.run("a") { 5 } }, log: history.events)
        try host.begin()
        guard case .held(let failure)? = host.ends.first else {
            Issue.record("\(host.ends)")
            return
        }
        #expect(failure.type == "StepCore.ResultDecodingError" && failure.message.contains("Swift.Int"))
        #expect(host.log.map(\.kind).last == .runHeld && host.ends.last == .unwound)
        host.finish()
    }

    @Test func aMachineThatRefusesItsOwnEventAnswersEveryCall() throws {
        // A held run takes no events; a host must resume it first.
        var history = HistoryBuilder()
        history.add(.runHeld(RunHeld(failure: Failure(type: "T", message: "m"))))
        let bench = try MachineBench(history)
        let first = bench.run("first")
        let second = bench.run("second")
        let lines = bench.settle()
        #expect(lines.first?.hasPrefix("report broken run #7 can't take event 2") == true)
        for call in [first, second] { #expect(lines.contains("fail \(call.id) RunUnwinding"), "\(call.id) hangs") }
        #expect(lines.contains("ended unwound"))
        bench.machine.functionEnded(.threw(RunUnwinding()), at: bench.time)
        #expect(bench.decisions().isEmpty)
    }
}
