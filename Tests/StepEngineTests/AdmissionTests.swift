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
}
