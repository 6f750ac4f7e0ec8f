import Foundation

/// The demo: runs a worker, kills it at moments drawn from the seed, starts it again until it is through, and has the
/// outcome checked. It uses nothing of the library: all it can do to the worker is start it and kill it.
struct Supervisor {
    private let options: Command.DemoOptions
    private let files: DemoFiles
    private let tools: Tools
    private let interrupts: Interrupts
    private let file: OrderFile
    private let plan: KillPlan
    private var tally = Tally()
    private var display: Display

    /// A worker that says nothing for so long hangs: bodies take milliseconds.
    private static let patience = Duration.seconds(60)

    /// Reads the orders and clears the directory.
    init(_ options: Command.DemoOptions) throws {
        self.options = options
        tools = try Tools()
        files = DemoFiles(directory: options.directory)
        let bytes = try OrderFile.bytes(at: options.orders)
        file = OrderFile(parsing: bytes)
        file.problems.forEach { complain("skipped \($0)") }
        guard !file.orders.isEmpty else { throw PipelineError.noOrders(path: options.orders) }
        try files.makeDirectory()
        try files.clear()
        try files.write(bytes, to: files.orders)
        plan = KillPlan(seed: options.seed, steps: file.orders.reduce(0) { $0 + 3 + $1.items.count })
        display = Display(orders: file.orders.count)
        interrupts = Interrupts()
    }

    /// - Returns: whether everything that the demo promises held.
    mutating func run() throws -> Bool {
        let log = try files.create(files.workerLog)
        display.announce(
            "\(grouped(file.orders.count)) orders, \(money(file.totalCents)); seed \(options.seed); "
                + "the worker will be killed \(plan.moments.count) times")
        while try oneLife(log: log) {}
        let elapsed = display.elapsed
        display.clear()
        return try Verification(files: files, tools: tools, interrupts: interrupts).verify(
            tally: tally, orders: file.orders.count, skipped: file.problems.count, elapsed: elapsed)
    }

    /// One life of the worker.
    /// - Returns: whether it needs another.
    private mutating func oneLife(log: FileHandle) throws -> Bool {
        let worker = try ChildProcess(
            tools.pipeline,
            [
                "worker", "--marks", "--orders", files.orders, "--dir", options.directory,
                "--seed", String(options.seed), "--in-flight", String(options.inFlight),
            ],
            errors: log, interrupts: interrupts)
        let wasKilled = try follow(worker)
        let end = worker.wait()
        switch end {
        case .signalled(SIGKILL) where wasKilled:
            let before = tally.cutOff
            tally.workerWasKilled()
            display.announce(
                "kill -9 number \(tally.kills), after \(grouped(tally.begun)) bodies had begun; "
                    + "\(tally.cutOff - before) of them were running")
            return true
        case .exited(Worker.Ending.allSucceeded.rawValue):
            return false
        case .exited(Worker.Ending.someFailed.rawValue):
            display.announce("the worker says that orders failed:\n\(files.lastWords())")
            return false
        default:
            display.clear()
            throw PipelineError.workerEnded(
                reason: end.description, log: files.workerLog, lastWords: files.lastWords())
        }
    }

    /// Counts what the worker says, until it has closed its output.
    /// - Returns: whether it was killed.
    private mutating func follow(_ worker: ChildProcess) throws -> Bool {
        let clock = ContinuousClock()
        var splitter = LineSplitter()
        var killAt: ContinuousClock.Instant?
        var wasKilled = false
        var lastSign = clock.now
        while true {
            switch worker.next(within: killAt.map { $0 - clock.now } ?? .milliseconds(100)) {
            case .output(let bytes):
                lastSign = clock.now
                splitter.lines(adding: bytes).compactMap(Mark.init(rawValue:)).forEach { tally.take($0) }
                if killAt == nil, let delay = plan.due(tally) { killAt = clock.now + delay }
                display.show(tally)
            case .quiet:
                if clock.now - lastSign > Supervisor.patience {
                    worker.kill()
                    throw PipelineError.noProgress(
                        seconds: Int(Supervisor.patience / .seconds(1)), log: files.workerLog,
                        lastWords: files.lastWords())
                }
            case .interrupted:
                worker.kill()
                display.clear()
                throw PipelineError.interrupted
            case .ended:
                return wasKilled
            }
            if let moment = killAt, !wasKilled, clock.now >= moment {
                worker.kill()
                wasKilled = true
            }
        }
    }
}
