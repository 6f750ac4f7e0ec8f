import Foundation

/// Everything the demo leaves in its directory.
struct DemoFiles {
    var directory: String

    var store: String { directory + "/store" }
    /// A copy of the orders: standard input can be read only once, but each worker needs it.
    var orders: String { directory + "/orders.jsonl" }
    var effects: String { directory + "/effects.jsonl" }
    var runs: String { directory + "/runs.jsonl" }
    var events: String { directory + "/events.jsonl" }
    var report: String { directory + "/report.json" }
    var workerLog: String { directory + "/worker.log" }

    func makeDirectory() throws(PipelineError) {
        do {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw .unwritable(path: directory, reason: systemReason(error))
        }
    }

    /// Removes what an earlier demo left, and nothing else that may be there.
    func clear() throws(PipelineError) {
        for path in [store, orders, effects, runs, events, report, workerLog] {
            do {
                try FileManager.default.removeItem(atPath: path)
            } catch {
                if FileManager.default.fileExists(atPath: path) {
                    throw .unwritable(path: path, reason: systemReason(error))
                }
            }
        }
    }

    func write(_ data: Data, to path: String) throws(PipelineError) {
        do {
            try data.write(to: URL(fileURLWithPath: path))
        } catch {
            throw .unwritable(path: path, reason: systemReason(error))
        }
    }

    /// An empty new file, open for writing.
    func create(_ path: String) throws(PipelineError) -> FileHandle {
        try write(Data(), to: path)
        guard let handle = FileHandle(forWritingAtPath: path) else {
            throw .unwritable(path: path, reason: "it cannot be opened")
        }
        return handle
    }

    /// The last lines the workers wrote to standard error.
    func lastWords(lines: Int = 20) -> String {
        let text = (try? String(contentsOfFile: workerLog, encoding: .utf8)) ?? ""
        let all = text.split(separator: "\n")
        return all.isEmpty ? "(nothing)" : all.suffix(lines).joined(separator: "\n")
    }
}

/// The programs of this package, which the build puts into one directory.
struct Tools {
    var directory: String

    var pipeline: String { directory + "/OrderPipeline" }
    var check: String { directory + "/OrderCheck" }
    var stepkit: String { directory + "/stepkit" }

    /// Looks beside this program, and says so now rather than after the work when one is missing.
    init() throws(PipelineError) {
        let called = URL(fileURLWithPath: CommandLine.arguments.first ?? "").relativePath
        // Called by its path, keep that path: it is what the user can type. Found along PATH, ask the system.
        let path = called.contains("/") ? called : Bundle.main.executablePath ?? called
        directory = URL(fileURLWithPath: path).deletingLastPathComponent().relativePath
        for tool in [pipeline, check, stepkit] where !FileManager.default.isExecutableFile(atPath: tool) {
            throw .toolMissing(path: tool)
        }
    }
}
