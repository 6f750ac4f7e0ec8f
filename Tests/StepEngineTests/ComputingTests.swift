import Glibc
import StepEngine
import StepEvents
import StepKit
import Synchronization
import TestSupport
import Testing

@Suite("A function that computes between two steps", .timeLimit(.minutes(3)))
struct ComputingTests {
    /// Work that is no step and that lasts until the test ends it. It keeps its thread.
    private final class Computation: Sendable {
        private let isOver = Atomic<Bool>(false)
        private let began = AsyncStream<Void>.makeStream()

        func run() {
            began.continuation.yield()
            while !isOver.load(ordering: .acquiring) { sched_yield() }
        }

        func end() { isOver.store(true, ordering: .releasing) }

        func untilBegun() async {
            for await _ in began.stream { return }
        }
    }

    @Test("The outcome before it is durable while it computes", arguments: StoreForm.allCases)
    func outcome(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let computation = Computation()
            defer { computation.end() }
            let flow = engine.client.workflow("work", input: Int.self) { _, step -> Int in
                let first = try await step.run("first") { 1 }
                computation.run()
                return first + (try await step.run("second") { 2 })
            }
            try await engine.run()
            let run = try await flow.start(0)
            await computation.untilBegun()
            #expect(try await engine.kinds(of: run.id) == [.runStarted, .stepStarted])
            engine.inner?.flushComputing()
            try await engine.until(run.id, "the outcome") { $0.nextSequence == 3 }
            computation.end()
            #expect(try await run.result() == 3)
        }
    }

    @Test("By itself, soon", arguments: StoreForm.allCases)
    func byItself(form: StoreForm) async throws {
        try await withEngine(form, flushLimit: .milliseconds(1)) { engine in
            let computation = Computation()
            defer { computation.end() }
            let flow = engine.client.workflow("work", input: Int.self) { _, step -> String in
                async let word = step.waitForSignal("word", signal: "word", as: String.self)
                _ = try await step.run("first") { 1 }
                computation.run()
                return try await word ?? "none"
            }
            try await engine.run()
            // The thread that watches sleeps by now, or will be woken while it falls asleep; a second run finds it awake.
            let run = try await flow.start(0)
            try await engine.until(run.id, "the outcome") { $0.nextSequence == 4 }
            // Its receipt needs the run's acceptance, and comes while the function computes.
            #expect(try await engine.client.signal("word", "hello") == run.id)
            computation.end()
            #expect(try await run.result() == "hello")
        }
    }

    @Test("It is not parked for another run", arguments: StoreForm.allCases)
    func notParked(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.maxResidentRuns = 1 }) { engine in
            let computation = Computation()
            defer { computation.end() }
            let executions = Atomic<Int>(0)
            let flow = engine.client.workflow("work", input: Bool.self) { context, step -> Int in
                guard context.input else { return 0 }
                executions.add(1, ordering: .relaxed)
                async let sleep: Void = step.sleep("sleep", for: .seconds(60))
                let first = try await step.run("first") { 1 }
                computation.run()
                let second = try await step.run("second") { 2 }
                try await sleep
                return first + second
            }
            try await engine.run()
            let run = try await flow.start(true)
            await computation.untilBegun()
            let other = try await flow.start(false)
            engine.inner?.flushComputing()
            engine.inner?.flushComputing()
            #expect(executions.load(ordering: .relaxed) == 1)
            computation.end()
            try await engine.until(run.id, "the second step") { $0.nextSequence == 6 }
            #expect(executions.load(ordering: .relaxed) == 1)
            try await engine.passTime(until: other.id)
            try await engine.passTime(until: run.id)
            #expect(try await run.result() == 3)
        }
    }
}
