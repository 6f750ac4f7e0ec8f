/// The command line, understood.
enum Command: Equatable {
    case demo(DemoOptions)
    case worker(WorkerOptions)
    case printSample(count: Int, seed: UInt64)
    case help

    struct DemoOptions: Equatable {
        var orders = Command.sample
        var directory = ".demo"
        var seed: UInt64 = 1
        var inFlight = 14
    }

    struct WorkerOptions: Equatable {
        var orders: String
        var directory = ".demo"
        var seed: UInt64 = 1
        var inFlight = 14
        var marks = false
    }

    /// The sample's place, seen from the package's root.
    static let sample = "Examples/OrderPipeline/sample-orders.jsonl"

    static let usage = """
        usage: OrderPipeline demo   [--orders FILE|-] [--dir DIR] [--seed N] [--in-flight N]
               OrderPipeline worker --orders FILE|- [--dir DIR] [--seed N] [--in-flight N] [--marks]
               OrderPipeline sample [--count N] [--seed N]

        demo    runs a worker over the orders, kills it again and again, and checks that nothing was lost or doubled
        worker  processes the orders, and takes up where an earlier worker stopped
        sample  prints invented orders, the same for the same seed

        --orders FILE   orders, one JSON object a line; - is standard input (demo: the sample, from the package root)
        --dir DIR       where the store and all other files go (.demo)
        --seed N        draws failures, durations and kills (1)
        --in-flight N   orders worked on at the same time (14)
        --marks         tell progress on standard output, one word a line, as the supervisor wants it
        """

    /// Understands the words after the program's name.
    static func parse(_ arguments: [String]) throws(PipelineError) -> Command {
        guard let name = arguments.first else { throw .usage("say what to do") }
        var options = Options(arguments.dropFirst())
        if ["help", "--help", "-h"].contains(name) || options.take(flag: "--help") { return .help }
        let command: Command
        switch name {
        case "demo":
            var demo = DemoOptions()
            if let orders = try options.take("--orders") { demo.orders = orders }
            if let directory = try options.take("--dir") { demo.directory = directory }
            demo.seed = try options.take("--seed", in: 0...UInt64.max) ?? demo.seed
            demo.inFlight = try options.take("--in-flight", in: 1...10_000) ?? demo.inFlight
            command = .demo(demo)
        case "worker":
            guard let orders = try options.take("--orders") else { throw .usage("worker needs --orders") }
            var worker = WorkerOptions(orders: orders)
            if let directory = try options.take("--dir") { worker.directory = directory }
            worker.seed = try options.take("--seed", in: 0...UInt64.max) ?? worker.seed
            worker.inFlight = try options.take("--in-flight", in: 1...10_000) ?? worker.inFlight
            worker.marks = options.take(flag: "--marks")
            command = .worker(worker)
        case "sample":
            let count = try options.take("--count", in: 1...1_000_000) ?? SampleOrders.count
            let seed = try options.take("--seed", in: 0...UInt64.max) ?? SampleOrders.seed
            command = .printSample(count: count, seed: seed)
        default:
            throw .usage("there is no command \(name)")
        }
        if let left = options.left.first { throw .usage("\(name) does not know \(left)") }
        return command
    }
}

/// The words after the command's name, taken one by one.
private struct Options {
    private(set) var left: [String]

    init(_ words: some Sequence<String>) { left = Array(words) }

    mutating func take(flag: String) -> Bool {
        guard let index = left.firstIndex(of: flag) else { return false }
        left.remove(at: index)
        return true
    }

    mutating func take(_ name: String) throws(PipelineError) -> String? {
        guard let index = left.firstIndex(of: name) else { return nil }
        guard index + 1 < left.count, !left[index + 1].hasPrefix("--") else { throw .usage("\(name) needs a value") }
        let value = left[index + 1]
        left.removeSubrange(index...(index + 1))
        guard !value.isEmpty else { throw .usage("\(name) needs a value") }
        return value
    }

    mutating func take<Number: FixedWidthInteger>(
        _ name: String, in range: ClosedRange<Number>
    ) throws(PipelineError) -> Number? {
        guard let text = try take(name) else { return nil }
        guard let number = Number(text), range.contains(number) else {
            throw .usage("\(name) \(text): not a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }
}
