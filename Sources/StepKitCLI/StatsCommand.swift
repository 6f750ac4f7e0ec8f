import ArgumentParser
import StepKit

/// Counts what a store holds.
struct StatsCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats", abstract: "Count runs by state and workflow, records, timers, bytes.")

    @OptionGroup var options: ReadOptions

    func run(_ console: Console) throws {
        let reader = try options.open()
        defer { reader.close() }
        let counts = try reader.statistics()
        if options.json { return try console.line(counts.json) }
        var rows = [("runs", "\(counts.runs), \(counts.open) of them open")]
        for status in RunStatus.allCases {
            if let count = counts.statuses[status], count > 0 { rows.append(("  \(status.name)", "\(count)")) }
        }
        rows += [
            ("records", "\(counts.records), the last with LSN \(counts.lastLSN)"),
            ("last commit", counts.lastCommit?.description ?? "none"),
            ("timers", "\(counts.timers)"),
            ("signals", "\(counts.signals) waited for, kept or remembered by key"),
            ("large payload parts", "\(counts.chunks)"),
            ("bytes in use", byteText(counts.usedBytes)),
        ]
        if let fileBytes = counts.fileBytes { rows.append(("bytes of the file", byteText(fileBytes))) }
        try printFields(rows, to: console)
        if counts.workflows.isEmpty { return }
        try console.line("")
        var table = TextTable(["WORKFLOW", ">VERSION", ">RUNS", ">OPEN"])
        try table.add(
            counts.workflows.map { [$0.workflow, "\($0.version)", "\($0.runs)", "\($0.open)"] }, to: console)
    }
}

/// Names and values below one another, the values aligned.
func printFields(_ rows: [(String, String)], to console: Console) throws {
    let width = rows.map(\.0.count).max() ?? 0
    for (name, value) in rows {
        let space = String(repeating: " ", count: width - name.count)
        try console.line("\(name)\(space)  \(printable(value))")
    }
}

/// Bytes in the binary unit that leaves one to four digits before the point.
func byteText(_ bytes: Int) -> String {
    if bytes < 10 << 10 { return "\(bytes) bytes" }
    if bytes < 10 << 20 { return "\(bytes >> 10) KiB" }
    if bytes < 10 << 30 { return "\(bytes >> 20) MiB" }
    return "\(bytes >> 30) GiB"
}
