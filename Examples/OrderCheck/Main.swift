import Foundation

/// Checks a finished demo from outside: what the orders file asked for and what the attempts left in the effects file,
/// held against what `stepkit` prints of the store. Imports nothing of the library, so no mistake there can hide here.
@main
struct Main {
    static let usage = """
        usage: OrderCheck --orders FILE --effects FILE --runs FILE --events FILE [--report FILE]

        --orders FILE   what was to be done, one order a line
        --effects FILE  what the attempts did, one effect a line
        --runs FILE     what stepkit runs --json printed
        --events FILE   what stepkit events --json printed
        --report FILE   where to write the figures, as one JSON object

        exit status: 0 when every rule holds, 1 when one is broken, 2 when the files cannot be read
        """

    static func main() {
        do {
            exit(try run(Arguments(CommandLine.arguments.dropFirst())) ? 0 : 1)
        } catch {
            FileHandle.standardError.write(Data("OrderCheck: \(error)\n".utf8))
            exit(2)
        }
    }

    private static func run(_ arguments: Arguments) throws -> Bool {
        let evidence = Evidence(
            orders: try arguments.contents("--orders"), effects: try arguments.contents("--effects"),
            runs: try arguments.contents("--runs"), events: try arguments.contents("--events"))
        guard !evidence.orders.isEmpty else { throw Problem(text: "the orders file holds no order") }
        let check = Check(evidence)
        let verdicts = check.verdicts
        print(text(of: verdicts), terminator: "")
        if evidence.skippedInputLines > 0 {
            print("note    \(evidence.skippedInputLines) lines of the orders file hold no new order")
        }
        if let path = arguments.values["--report"] {
            try JSONEncoder().encode(check.figures).write(to: URL(fileURLWithPath: path))
        }
        return verdicts.allSatisfy(\.holds)
    }

    /// One line a rule, and under a broken one the first of its breaches.
    static func text(of verdicts: [Verdict], most: Int = 10) -> String {
        verdicts.map { verdict in
            guard !verdict.holds else { return "ok      \(verdict.rule)\n" }
            let left = verdict.breaches.count - most
            return "BROKEN  \(verdict.rule)\n"
                + verdict.breaches.prefix(most).map { "          \($0)\n" }.joined()
                + (left > 0 ? "          and \(left) more\n" : "")
        }.joined()
    }
}

/// Something that keeps the checker from judging.
struct Problem: Error, CustomStringConvertible {
    var text: String
    var description: String { text }
}

/// The command line: pairs of a name and a file.
struct Arguments {
    private(set) var values: [String: String] = [:]

    init(_ words: some Sequence<String>) throws(Problem) {
        let names = ["--orders", "--effects", "--runs", "--events", "--report"]
        var words = Array(words)[...]
        while let name = words.popFirst() {
            guard names.contains(name), let value = words.popFirst() else { throw Problem(text: Main.usage) }
            values[name] = value
        }
        for name in names.dropLast() where values[name] == nil {
            throw Problem(text: "\(name) is missing\n\n\(Main.usage)")
        }
    }

    func contents(_ name: String) throws(Problem) -> Data {
        let path = values[name] ?? ""
        do {
            return try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw Problem(text: "cannot read \(path): \(error)")
        }
    }
}
