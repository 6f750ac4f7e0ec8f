import ArgumentParser
import StepKit

/// Shows one run.
struct ShowCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show one run: what it is, and what happened in it when.",
        discussion: "With --json the run is printed as `stepkit runs` does, then its events as `stepkit events` does.")

    @OptionGroup var options: ReadOptions

    @Argument(help: ArgumentHelp("The run's id, or its key where that fits one run.", valueName: "run"))
    var run: String

    func validate() throws { try checkRun(run) }

    func run(_ console: Console) throws {
        let reader = try options.open()
        defer { reader.close() }
        let found = try reader.run(matching: run)
        var history = reader.history(of: found.run).makeCursor()
        if options.json {
            try console.line(found.json)
            return try forEach(&history) { try console.line($0.json) }
        }
        var timeline = Timeline(start: found.started)
        try forEach(&history) { timeline.take($0) }
        try printFields(Self.fields(found), to: console)
        try console.line("")
        var table = TextTable([">AT", ">TOOK", "STEP", ">TRY", "WHAT"])
        try table.add(timeline.rows, to: console)
    }

    private static func fields(_ run: RecordedRun) -> [(String, String)] {
        var rows = [("run", run.run.description), ("workflow", "\(run.workflow), version \(run.version)")]
        if let key = run.key { rows.append(("key", key)) }
        rows.append(("status", run.status.name))
        rows.append(("started", run.started.description))
        if let finished = run.finished {
            rows.append(("finished", "\(finished), after \(durationText(from: run.started, to: finished))"))
        }
        if run.attempt > 1 { rows.append(("attempt", "\(run.attempt)")) }
        if let parent = run.parent { rows.append(("parent", parent.description)) }
        if let error = run.error { rows.append(("error", "\(error.type): \(error.message)")) }
        return rows
    }
}

/// An empty text is what a script passes whose variable is not set.
func checkRun(_ text: String) throws {
    if text.isEmpty { throw ValidationError("the run's id or key is empty") }
}
