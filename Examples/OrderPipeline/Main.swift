import Foundation

@main
struct Main {
    // On the main thread: the supervisor waits there for its child, which no thread of the cooperative pool may do.
    @MainActor static func main() async {
        do {
            exit(try await run(Command.parse(Array(CommandLine.arguments.dropFirst()))))
        } catch let error as PipelineError {
            complain("OrderPipeline: \(error)")
            exit(error.exitStatus)
        } catch {
            complain("OrderPipeline: \(error)")
            exit(1)
        }
    }

    @MainActor private static func run(_ command: Command) async throws -> Int32 {
        switch command {
        case .demo(let options):
            var supervisor = try Supervisor(options)
            return try supervisor.run() ? 0 : 1
        case .worker(let options):
            return try await Worker(options: options).run().rawValue
        case .printSample(let count, let seed):
            say(try SampleOrders.text(count: count, seed: seed))
            return 0
        case .help:
            say(Command.usage + "\n")
            return 0
        }
    }
}
