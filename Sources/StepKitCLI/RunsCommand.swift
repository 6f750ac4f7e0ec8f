import ArgumentParser
import StepKit

/// Lists runs.
struct RunsCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "runs", abstract: "List runs, the newest first.",
        discussion: "Without --json the 50 newest are shown, unless --limit says otherwise.")

    /// What a table shows unless told otherwise.
    static let tableLimit = 50

    @OptionGroup var options: ReadOptions

    @Option(
        help: ArgumentHelp(
            "Only runs in this state: \(RunStatus.allCases.map(\.name).joined(separator: ", ")).",
            valueName: "status"),
        transform: { text in
            guard let status = RunStatus(name: text) else {
                throw ValidationError(
                    "there is no status \(text); it is one of \(RunStatus.allCases.map(\.name).joined(separator: " "))")
            }
            return status
        })
    var status: RunStatus?

    @Option(help: "Only runs of this workflow.")
    var workflow: String?

    @Option(
        help: ArgumentHelp(
            "Only runs accepted at or after this time: 2026-03-01, 2026-03-01T09:30:00Z, 2026-03-01T10:30:00+01:00.",
            valueName: "time"),
        transform: { text in
            guard let time = Timestamp(iso8601: text) else {
                throw ValidationError("\(text) is not a time like 2026-03-01 or 2026-03-01T09:30:00Z")
            }
            return time
        })
    var since: Timestamp?

    @Option(help: ArgumentHelp("At most so many runs.", valueName: "count"))
    var limit: Int?

    func validate() throws {
        if let limit, limit < 0 { throw ValidationError("--limit can't be negative") }
    }

    func run(_ console: Console) throws {
        let reader = try options.open()
        defer { reader.close() }
        var cursor = reader.runs(where: RunFilter(status: status, workflow: workflow, since: since)).makeCursor()
        if options.json {
            try forEach(&cursor, limit: limit ?? .max) { try console.line($0.json) }
        } else {
            try table(&cursor, console)
        }
    }

    private func table(_ cursor: inout RunCursor, _ console: Console) throws {
        var table = TextTable(["RUN", "WORKFLOW", "KEY", "STATUS", "STARTED", ">TOOK", "ERROR"])
        let limit = limit ?? Self.tableLimit
        var isCut = false
        var count = 0
        while !isCut {
            let slice = try cursor.nextSlice()
            if slice.isEmpty { break }
            isCut = slice.count > limit - count
            let shown = slice.prefix(limit - count)
            count += shown.count
            try table.add(shown.map(Self.row), to: console)
        }
        if count == 0, !isCut { try console.line("No runs.") }
        if isCut { try console.line("These are the \(count) newest; --limit shows more.") }
    }

    private static func row(_ run: RecordedRun) -> [String] {
        let took = run.finished.map { durationText(from: run.started, to: $0) } ?? ""
        let error = run.error.map { "\($0.type): \($0.message)" } ?? ""
        return [
            run.run.description, run.workflow, run.key ?? "", run.status.name, run.started.description, took,
            shortened(error, to: 80),
        ]
    }
}

/// Reads to the end, or to a limit.
func forEach<Cursor: BlockingCursor>(
    _ cursor: inout Cursor, limit: Int = .max, _ body: (Cursor.Element) throws -> Void
) throws {
    var left = limit
    while left > 0 {
        let slice = try cursor.nextSlice()
        if slice.isEmpty { return }
        for element in slice.prefix(left) { try body(element) }
        left -= min(left, slice.count)
    }
}
