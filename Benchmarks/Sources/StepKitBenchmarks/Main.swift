import Foundation

/// `StepKitBenchmarks [--quick] [--only NAME] [--runs N] [--steps N] [--payload KIND] [--output FILE] [--scratch DIR]`
@main struct Main {
    static func main() async {
        do {
            let arguments = try BenchmarkArguments(CommandLine.arguments.dropFirst())
            try await run(arguments)
        } catch {
            FileHandle.standardError.write(Data("benchmark: \(error)\n".utf8))
            exit(1)
        }
    }

    private static func run(_ arguments: BenchmarkArguments) async throws {
        var report = Report(machine: Report.machineName(), results: [])
        print(report.machine)
        print(row(["scenario", "params", "value", "floor", "ratio"]))
        func add(_ measurement: Measurement) {
            report.results.append(measurement)
            let params = measurement.params.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            print(
                row([
                    measurement.name, params.joined(separator: " "),
                    "\(String(format: "%.1f", measurement.value)) \(measurement.unit)",
                    String(format: "%.1f", measurement.floor), String(format: "%.2f", measurement.ratio),
                ]))
        }
        if arguments.includes("step-latency") { add(try await stepLatency(arguments)) }
        if arguments.includes("throughput") {
            for payload in arguments.payloads {
                for runs in arguments.runCounts { add(try await throughput(runs, payload, arguments)) }
            }
        }
        try report.write(to: arguments.output)
        print("written to \(arguments.output)")
    }

    private static func stepLatency(_ arguments: BenchmarkArguments) async throws -> Measurement {
        let rounds = try await scenario(1, .string, arguments).measure()
        return Measurement(
            name: "step-latency", value: median(rounds.map { 1e6 / $0.engine }), unit: "us",
            floor: median(rounds.map { 1e6 / $0.floor }), ratio: median(rounds.map { $0.floor / $0.engine }),
            params: ["payload": PayloadKind.string.rawValue])
    }

    private static func throughput(
        _ runs: Int, _ payload: PayloadKind, _ arguments: BenchmarkArguments
    ) async throws -> Measurement {
        let rounds = try await scenario(runs, payload, arguments).measure()
        return Measurement(
            name: "throughput", value: median(rounds.map(\.engine)), unit: "steps/s",
            floor: median(rounds.map(\.floor)), ratio: median(rounds.map { $0.engine / $0.floor }),
            params: ["runs": String(runs), "payload": payload.rawValue])
    }

    private static func scenario(_ runs: Int, _ payload: PayloadKind, _ arguments: BenchmarkArguments) -> StepScenario {
        let total = arguments.isQuick ? 20_000 : 100_000
        return StepScenario(
            runs: runs, payload: payload, stepsPerRun: arguments.steps ?? max(10, min(2_000, total / runs)),
            rounds: arguments.isQuick ? 3 : 5,
            directory: "\(arguments.scratch)/\(ProcessInfo.processInfo.processIdentifier)-\(runs)-\(payload.rawValue)")
    }

    private static func row(_ cells: [String]) -> String {
        let widths = [14, 28, 18, 12, 6]
        return zip(cells, widths).map { cell, width in
            cell + String(repeating: " ", count: max(1, width - cell.count))
        }.joined()
    }
}

struct BenchmarkArguments {
    var isQuick = false
    var only: String?
    var runCounts = [1, 16, 256, 1_024, 16_384]
    /// Steps of each run, in place of what keeps a round short.
    var steps: Int?
    var payloads = PayloadKind.allCases
    var output = "Benchmarks/results/latest.json"
    /// On the disk that holds the build, since a store in memory would flush for free.
    var scratch = "Benchmarks/.build/stores"

    init(_ arguments: some Sequence<String>) throws {
        var rest = Array(arguments)[...]
        while let argument = rest.popFirst() {
            switch argument {
            case "--quick": isQuick = true
            case "--only": only = try Self.value(of: argument, &rest)
            case "--output": output = try Self.value(of: argument, &rest)
            case "--scratch": scratch = try Self.value(of: argument, &rest)
            case "--runs": runCounts = [try Self.count(of: argument, &rest)]
            case "--steps": steps = try Self.count(of: argument, &rest)
            case "--payload":
                guard let kind = PayloadKind(rawValue: try Self.value(of: argument, &rest)) else {
                    throw ArgumentProblem(text: "--payload takes string or struct")
                }
                payloads = [kind]
            default: throw ArgumentProblem(text: "unknown argument \(argument)")
            }
        }
    }

    func includes(_ name: String) -> Bool { only == nil || only == name }

    private static func value(of option: String, _ rest: inout ArraySlice<String>) throws -> String {
        guard let value = rest.popFirst() else { throw ArgumentProblem(text: "\(option) takes a value") }
        return value
    }

    private static func count(of option: String, _ rest: inout ArraySlice<String>) throws -> Int {
        guard let count = Int(try value(of: option, &rest)), count > 0 else {
            throw ArgumentProblem(text: "\(option) takes a positive number")
        }
        return count
    }

    struct ArgumentProblem: Error, CustomStringConvertible {
        let text: String
        var description: String { text }
    }
}
