import ArgumentParser
import StepKit

/// Prints events of the log.
struct EventsCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "Print events in the order of the log.",
        discussion: "With --follow it goes on with what is written from then on, until Ctrl-C.")

    @OptionGroup var options: ReadOptions

    @Option(help: ArgumentHelp("Only events after this place in the log.", valueName: "lsn"))
    var after: UInt64 = 0

    @Flag(help: "Go on with what is written from then on, until Ctrl-C.")
    var follow = false

    @Option(
        help: ArgumentHelp("Only events of this run: its id, or its key where that fits one run.", valueName: "run"))
    var run: String?

    @Flag(help: "Print the commit records too, which end each transaction.")
    var commits = false

    func validate() throws {
        if let run { try checkRun(run) }
        if commits, run != nil { throw ValidationError("--commits and --run exclude each other: no run has commits") }
    }

    func run(_ console: Console) throws {
        let reader = try options.open()
        defer { reader.close() }
        if follow { Interrupt.watch() }
        var printer = EventPrinter(console: console, json: options.json)
        var start = LSN(after)
        var wanted: RunID?
        if let run {
            let found = try reader.run(matching: run)
            wanted = found.run
            var history = reader.history(of: found.run).makeCursor()
            try printAll(&history, &printer) { $0.lsn.value > after }
            guard follow else { return }
            start = max(start, history.head)
        }
        var tail = reader.events(after: start, includingCommits: commits).makeCursor()
        try printAll(&tail, &printer) { wanted == nil || $0.run == wanted }
        var wait = TailWait()
        while follow {
            try console.flush()
            guard wait.wait(console) else { return }
            let events = try tail.nextSlice().filter { wanted == nil || $0.run == wanted }
            if !events.isEmpty { wait.reset() }
            try printer.print(events)
        }
    }

    private func printAll<Cursor: BlockingCursor<RecordedEvent>>(
        _ cursor: inout Cursor, _ printer: inout EventPrinter, where isWanted: (RecordedEvent) -> Bool
    ) throws {
        while !Interrupt.wasAsked {
            let slice = try cursor.nextSlice()
            if slice.isEmpty { return }
            try printer.print(slice.filter(isWanted))
        }
    }
}

/// Prints events, as JSON or as rows of a table.
struct EventPrinter {
    let console: Console
    let json: Bool
    private var table = TextTable([">LSN", "TIME", "RUN", ">SEQ", "KIND", "STEP", ">ATTEMPT", "DETAIL"])

    init(console: Console, json: Bool) {
        self.console = console
        self.json = json
    }

    mutating func print(_ events: [RecordedEvent]) throws {
        if json {
            for event in events { try console.line(event.json) }
        } else {
            try table.add(events.map(Self.row), to: console)
        }
    }

    private static func row(_ event: RecordedEvent) -> [String] {
        [
            event.lsn.description, event.time.description, event.key ?? event.run?.description ?? "",
            event.sequence.map { "\($0)" } ?? "", event.kind, event.step?.description ?? "",
            event.attempt.map { "\($0)" } ?? "", shortened(EventDetail.text(event), to: 100),
        ]
    }
}
