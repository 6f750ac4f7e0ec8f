import ArgumentParser
import Glibc
import StepKit

/// What every command that reads a store takes.
struct ReadOptions: ParsableArguments {
    @Option(help: "The store's directory. (default: $STEPKIT_STORE, else ./.stepkit)")
    var store: String?

    @Flag(help: "Print one JSON object a line.")
    var json = false

    /// The store's directory.
    var path: String {
        get throws {
            let path = store ?? getenv("STEPKIT_STORE").map { String(cString: $0) } ?? ".stepkit"
            guard !path.isEmpty else { throw ValidationError("the path of the store is empty") }
            return path
        }
    }

    func open() throws -> StoreReader { try StoreReader(path: try path) }
}
