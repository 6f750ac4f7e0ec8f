import Foundation
import StepKit

/// So many runs at once, each a sequence of steps; engine and floor alternate, since the time of a flush drifts within
/// minutes.
struct StepScenario {
    let runs: Int
    let payload: PayloadKind
    let stepsPerRun: Int
    let rounds: Int
    let directory: String

    struct Round {
        /// Steps a second.
        var engine: Double
        var floor: Double
    }

    func measure() async throws -> [Round] {
        let bare = try makeDirectory("floor")
        let store = try makeDirectory("store") + "/db"
        let database = try BareDatabase(directory: bare)
        let bytes = BareDatabase.StepBytes(outcome: 36 + 1 + payload.encodedBytes(), start: 36 + 2 + 4)
        // At most so many steps go into one commit of the engine.
        let batch = min(runs, 2_048)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        return try await Client.withClient(id: "bench", driver: .lmdb(path: store)) { client in
            let workflow = register(client)
            var measured: [Round] = []
            for round in 0...rounds {
                let floorCommits = max(20, min(2_000, runs * stepsPerRun / batch))
                let floorTime = try seconds {
                    for _ in 0..<floorCommits { try database.commit(steps: batch, bytes) }
                }
                let clock = ContinuousClock()
                let began = clock.now
                try await execute(workflow)
                let engineTime = (clock.now - began).seconds
                // The first round warms up.
                if round == 0 { continue }
                measured.append(
                    Round(
                        engine: Double(runs * stepsPerRun) / engineTime,
                        floor: Double(floorCommits * batch) / floorTime))
            }
            return measured
        }
    }

    private func register(_ client: Client) -> Workflow<Int, Int> {
        let payload = payload
        return client.workflow("bench", input: Int.self) { context, step in
            let count = context.input
            var generator = SeededGenerator(seed: UInt64(count))
            switch payload {
            case .string:
                let text = generator.base64(100)
                for _ in 0..<count { try await step.run("step") { text } }
            case .struct:
                let value = PaymentResult(&generator)
                for _ in 0..<count { try await step.run("step") { value } }
            }
            return count
        }
    }

    private func execute(_ workflow: Workflow<Int, Int>) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<runs {
                let steps = stepsPerRun
                group.addTask { _ = try await workflow.start(steps).result() }
            }
            try await group.waitForAll()
        }
    }

    private func makeDirectory(_ name: String) throws -> String {
        let path = "\(directory)/\(name)"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        return path
    }
}
