import StepKit
import TestSupport
import Testing

@Suite struct FirstRunTests {
    @Test func runsStepsInOrder() async throws {
        let result = try await Client.withClient(id: "t", driver: .inMemory) { client in
            let workflow = client.workflow("greet", input: String.self) { context, step in
                let a = try await step.run("a") { "hello " }
                let b = try await step.run("b") { context.input }
                return a + b
            }
            let run = try await workflow.start("world", id: "k")
            return try await run.result()
        }
        #expect(result == "hello world")
    }
}
