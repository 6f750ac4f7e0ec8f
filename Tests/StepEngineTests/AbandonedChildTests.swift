import StepCore
import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Children that a crash left behind", .timeLimit(.minutes(5)))
struct AbandonedChildTests {
    /// What a parent had recorded about its child when the process died.
    struct Case: Sendable, CustomTestStringConvertible {
        var end: EventBody?
        var detached = false
        var cancelsOnTimeout = false
        var isCancelled: Bool

        var testDescription: String {
            "\(end?.kind.name ?? "nothing"), detached \(detached), cancels on timeout \(cancelsOnTimeout)"
        }
    }

    private static let step = StepNumber(1)
    static let cases = [
        Case(end: .waitCancelled(WaitCancelled(step: step)), isCancelled: true),
        Case(end: .waitCancelled(WaitCancelled(step: step)), detached: true, isCancelled: false),
        Case(
            end: .invokeFinished(InvokeFinished(step: step, outcome: .timedOut)), cancelsOnTimeout: true,
            isCancelled: true),
        Case(end: .invokeFinished(InvokeFinished(step: step, outcome: .timedOut)), isCancelled: false),
        Case(end: nil, isCancelled: false),
    ]

    /// Writes the parent's and the child's history; returns the child's id.
    private func write(_ example: Case, to store: EventStore) throws -> RunID {
        var script = RunScript()
        let (parent, start) = try script.start(workflow: "parent", input: Payload(json: "1"))
        let parentID = try #require(script.states[parent]).start.id
        let link = RunStarted.Parent(id: parentID, run: parent, step: Self.step, detached: example.detached)
        let (child, childStart) = try script.start(workflow: "child", input: Payload(json: "1"), parent: link)
        let childID = try #require(script.states[child]).start.id
        let invoke = InvokeStarted(
            key: StepKey(scope: "", id: "child", occurrence: 0), workflow: "child", child: childID, childRun: child,
            timeoutAt: nil, cancelsOnTimeout: example.cancelsOnTimeout)
        let rest = try script.command(parent, [.invokeStarted(invoke)] + (example.end.map { [$0] } ?? []))
        for command in [start, childStart, rest] { try store.submit(command) }
        return childID
    }

    @Test(arguments: cases) func recoveryCancelsThoseGivenUp(example: Case) async throws {
        try await withEngine(.memory) { engine in
            let id = try write(example, to: engine.log)
            let child = engine.client.workflow("child", input: Int.self) { context, step in
                try await step.waitForSignal("never", signal: "never", as: Int.self) ?? context.input
            }
            try await engine.run()
            try await engine.until(id, "its wait or its end") { !$0.open.isEmpty || $0.status.isFinal }
            let run = try await child.run(id)
            if example.isCancelled {
                await #expect(throws: RunCancelledError.self) { _ = try await run.result() }
            } else {
                // The signal is an event like a cancellation, and what recovery does was asked for before it.
                _ = try await engine.client.signal("never", 7)
                #expect(try await run.result() == 7)
            }
        }
    }
}
