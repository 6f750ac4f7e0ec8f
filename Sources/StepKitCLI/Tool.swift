import ArgumentParser
import Glibc
import StepKit

/// The root of the commands.
struct Tool: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stepkit",
        abstract: "Looks into the store of a StepKit engine, also while the engine runs.",
        discussion: """
            The store is the directory given by --store, else by $STEPKIT_STORE, else ./.stepkit. Reading never changes \
            it. Exit codes: 0 ok, 1 failed or not found, 2 usage, 3 store damaged or in use.
            """,
        subcommands: [
            RunsCommand.self, ShowCommand.self, EventsCommand.self, StatsCommand.self, VerifyCommand.self,
        ])

    /// Runs the command that the arguments name, and says with which status the process is to end.
    static func run(_ arguments: [String], _ console: Console) -> EndStatus {
        do {
            var command = try parseAsRoot(arguments)
            if let command = command as? any StoreCommand {
                try command.run(console)
            } else {
                try command.run()
            }
            try console.flush()
            return .ok
        } catch let error as CommandFailure {
            guard let message = error.message else { return error.status }
            return console.fail(message, error.status)
        } catch let error as StoreError {
            return console.fail(error.description, EndStatus(error))
        } catch let error as RunLookupError {
            return console.fail(error.description, error.code == .notFound ? .failed : .usage)
        } catch is Console.Closed {
            return .ok
        } catch {
            return parserStopped(error, console)
        }
    }

    /// Help, which is no failure, or arguments that make no sense.
    private static func parserStopped(_ error: any Error, _ console: Console) -> EndStatus {
        let code = exitCode(for: error)
        if code.isSuccess {
            do {
                try console.line(fullMessage(for: error))
                try console.flush()
                return .ok
            } catch {
                return .ok
            }
        }
        guard code == .validationFailure else { return console.fail("\(error)", .failed) }
        return console.fail("\(message(for: error)). See stepkit help.", .usage)
    }
}

/// A command that works on a store.
protocol StoreCommand: ParsableCommand {
    func run(_ console: Console) throws
}

extension StoreCommand {
    /// Only the root calls commands, with its console.
    func run() throws { try run(Console(descriptor: STDOUT_FILENO)) }
}
