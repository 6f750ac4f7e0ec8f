import Testing

@testable import OrderPipeline

@Suite struct CommandTests {
    @Test func demoHasDefaults() throws {
        #expect(try Command.parse(["demo"]) == .demo(.init()))
    }

    @Test func demoTakesAllItsOptionsInAnyOrder() throws {
        let command = try Command.parse(
            ["demo", "--seed", "7", "--dir", "d", "--orders", "-", "--in-flight", "3"])
        #expect(command == .demo(.init(orders: "-", directory: "d", seed: 7, inFlight: 3)))
    }

    @Test func workerTakesAllItsOptions() throws {
        let command = try Command.parse(["worker", "--marks", "--orders", "f", "--dir", "d", "--seed", "7"])
        #expect(command == .worker(.init(orders: "f", directory: "d", seed: 7, inFlight: 14, marks: true)))
    }

    @Test func helpIsAlwaysThere() throws {
        #expect(try Command.parse(["--help"]) == .help)
        #expect(try Command.parse(["demo", "--help"]) == .help)
    }

    @Test(arguments: [
        ([], "say what to do"),
        (["dance"], "there is no command dance"),
        (["demo", "--orders"], "--orders needs a value"),
        (["demo", "--orders", "--seed"], "--orders needs a value"),
        (["demo", "--orders", ""], "--orders needs a value"),
        (["demo", "--seed", "-1"], "--seed -1: not a whole number"),
        (["demo", "--seed", "99999999999999999999"], "not a whole number"),
        (["demo", "--in-flight", "0"], "--in-flight 0: not a whole number from 1"),
        (["demo", "more"], "demo does not know more"),
        (["demo", "--seed", "1", "--seed", "2"], "demo does not know --seed"),
        (["worker"], "worker needs --orders"),
    ])
    func refusesWhatMakesNoSense(words: [String], problem: String) {
        let error = #expect(throws: PipelineError.self) { try Command.parse(words) }
        #expect(error?.description.contains(problem) == true, "\(String(describing: error))")
        #expect(error?.description.contains("usage:") == true)
        #expect(error?.exitStatus == 2)
    }
}
