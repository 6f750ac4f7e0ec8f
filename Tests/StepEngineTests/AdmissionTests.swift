import StepCore
import StepEvents
import StepKit
import Testing

@testable import StepEngine

@Suite struct AdmissionTests {
    /// A start that was durable before its run was in memory was read from disk as well, and the run's two instances
    /// wrote into the same history. With a store in memory a commit is quick enough to win that race often.
    @Test func aRunIsTakenIntoMemoryOnce() async throws {
        let runs = 1_000
        let outputs = try await Client.withClient(id: "t", driver: .inMemory) { client in
            let double = client.workflow("double", input: Int.self) { context, step in
                try await step.run("double") { context.input * 2 }
            }
            return try await withThrowingTaskGroup(of: Int.self) { group in
                for index in 0..<runs {
                    group.addTask { try await double.start(index, id: "\(index)").result() }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
        }
        #expect(outputs.sorted() == (0..<runs).map { $0 * 2 })
    }

    @Test func aChildIsTakenIntoMemoryOnce() async throws {
        let children = 50
        let sum = try await Client.withClient(id: "t", driver: .inMemory) { client in
            let double = client.workflow("double", input: Int.self) { context, step in
                try await step.run("double") { context.input * 2 }
            }
            let parent = client.workflow("parent", input: Int.self) { context, step in
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for index in 0..<context.input {
                        group.addTask { try await step.invoke("child-\(index)", double, index) }
                    }
                    return try await group.reduce(0, +)
                }
            }
            return try await withThrowingTaskGroup(of: Int.self) { group in
                for index in 0..<20 {
                    group.addTask { try await parent.start(children, id: "\(index)").result() }
                }
                return try await group.reduce(0, +)
            }
        }
        #expect(sum == 20 * children * (children - 1))
    }

    @Test func onlyAFewHistoriesAreReadAtOnce() {
        var state = EngineState(nextRun: 1)
        state.phase = .running
        for run in 1...100 { state.enqueueRecovered(RunNumber(UInt64(run))) }

        var reading: [RunNumber] = []
        while let run = state.next(limit: 10_000) { reading.append(run) }
        #expect(reading == (1...UInt64(EngineState.loadsAtOnce)).map { RunNumber($0) })

        state.loading.remove(reading[0])
        #expect(state.next(limit: 10_000) == RunNumber(UInt64(EngineState.loadsAtOnce + 1)))
        #expect(state.next(limit: 10_000) == nil)
    }

    /// A cancellation that came between a run's being resident and its function's beginning cancelled no task.
    @Test func aCancellationRightAfterTheStartIsCarriedOut() async throws {
        let cancelled = try await Client.withClient(id: "t", driver: .inMemory) { client in
            let flow = client.workflow("wait", input: Int.self) { _, step in
                _ = try await step.waitForSignal("w", signal: "never", as: Int.self)
            }
            return try await withThrowingTaskGroup(of: Bool.self) { group in
                for index in 0..<500 {
                    group.addTask {
                        let run = try await flow.start(index)
                        try await run.cancel()
                        do { _ = try await run.result() } catch is RunCancelledError { return true }
                        return false
                    }
                }
                return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
        }
        #expect(cancelled == 500)
    }

    @Test func theKindsOfQueuedRunsTakeTurnsEachInItsOrder() {
        var state = EngineState(nextRun: 1)
        state.phase = .running
        for run in 1...3 { state.enqueueRecovered(RunNumber(UInt64(run))) }
        for run in 11...13 { state.enqueue(RunNumber(UInt64(run))) }
        for run in 21...23 { state.enqueue(RunNumber(UInt64(run)), woken: true) }
        var order: [UInt64] = []
        while let run = state.next(limit: 100) {
            order.append(run.value)
            state.loading.remove(run)
        }
        #expect(order == [21, 11, 1, 22, 12, 2, 23, 13, 3])
        #expect(!state.wantsRoom)
    }

    @Test func thoseThatWaitLongestLeaveFirstAndNoneTwice() {
        func runs(_ numbers: UInt64...) -> [RunNumber] { numbers.map { RunNumber($0) } }
        var waiting = WaitingRuns()
        for run in 1...5 { waiting.set(RunNumber(UInt64(run)), since: UInt64(10 - run)) }
        waiting.set(RunNumber(5), since: nil)
        waiting.set(RunNumber(4), since: nil)
        waiting.set(RunNumber(4), since: 20)
        #expect(waiting.takeLongest(2) == runs(3, 2))
        #expect(waiting.leavingCount == 2)
        waiting.remove(RunNumber(2))
        waiting.set(RunNumber(3), since: nil)
        waiting.set(RunNumber(3), since: 30)
        #expect(waiting.takeLongest(1) == runs(1), "the others have been told already")
        waiting.stays(RunNumber(3))
        #expect(waiting.takeLongest(5) == runs(4, 3))
        #expect(waiting.leavingCount == 3)
        for round in 0..<10_000 { waiting.set(RunNumber(9), since: UInt64(round)) }
        #expect(waiting.takeLongest(5) == runs(9))
    }

    @Test func thoseThatHaveWaitedLongEnoughLeaveAndNoOthers() {
        var waiting = WaitingRuns()
        #expect(waiting.longestSince == nil)
        for run in 1...5 { waiting.set(RunNumber(UInt64(run)), since: UInt64(run)) }
        waiting.set(RunNumber(1), since: 9)
        #expect(waiting.longestSince == 2)
        #expect(waiting.takeLongest(9, since: 3) == [RunNumber(2), RunNumber(3)])
        #expect(waiting.longestSince == 4, "those that were told count no longer")
        #expect(waiting.takeLongest(9, since: 3) == [])
        #expect(waiting.takeLongest(-1, since: 9) == [])
        waiting.stays(RunNumber(3))
        #expect(waiting.takeLongest(2, since: 9) == [RunNumber(3), RunNumber(4)])
    }
}
