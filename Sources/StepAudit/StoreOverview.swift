import Glibc
public import StepEvents
import StepLog

/// How much a store holds, and where its runs stand.
public struct StoreOverview: Hashable, Sendable {
    /// How many runs a version of a workflow has.
    public struct WorkflowCount: Hashable, Sendable {
        /// The workflow's id.
        public let workflow: String
        /// Its version.
        public let version: UInt32
        /// All of its runs.
        public internal(set) var runs: Int
        /// Those that have not ended.
        public internal(set) var open: Int
    }

    /// The last record of the log.
    public let lastLSN: LSN
    /// When it was written.
    public let lastCommit: Timestamp?
    /// Records of the log, commit records included.
    public let records: Int
    /// How many runs there are in each state; every state is there.
    public let statuses: [RunStatus: Int]
    /// The versions of workflows that have runs, in the order of their ids.
    public let workflows: [WorkflowCount]
    /// Sleeps, time limits and further attempts that are due later.
    public let timers: Int
    /// Runs that wait for a signal, signals that are kept, and keys of signals that are remembered.
    public let signals: Int
    /// Parts of 64 KiB of payloads too large for their record.
    public let chunks: Int
    /// Bytes of the database up to its last page in use.
    public let usedBytes: Int
    /// Bytes that the database's file takes on the disk; `nil` in memory.
    public let fileBytes: Int?

    /// All runs.
    public var runs: Int { statuses.values.reduce(0, +) }
    /// Runs that have not ended.
    public var open: Int { statuses.reduce(0) { $1.key.isFinal ? $0 : $0 + $1.value } }

    /// One JSON object on one line, without a line's end: `lsn lastCommit records runs open statuses workflows timers
    /// signals chunks usedBytes fileBytes`.
    public var json: [UInt8] {
        var line = JSONLine()
        line.member("lsn", lastLSN.value)
        line.optional("lastCommit", lastCommit?.description)
        line.member("records", records)
        line.member("runs", runs)
        line.member("open", open)
        line.member("statuses", json: statusesJSON)
        var list: [UInt8] = []
        for count in workflows {
            var object = JSONLine()
            object.member("workflow", count.workflow)
            object.member("version", count.version)
            object.member("runs", count.runs)
            object.member("open", count.open)
            list += list.isEmpty ? "".utf8 : ",".utf8
            list += object.finish()
        }
        line.member("workflows", json: "[".utf8 + list + "]".utf8)
        line.member("timers", timers)
        line.member("signals", signals)
        line.member("chunks", chunks)
        line.member("usedBytes", usedBytes)
        line.optional("fileBytes", fileBytes)
        return line.finish()
    }

    private var statusesJSON: [UInt8] {
        let members = RunStatus.allCases.map { "\"\($0.name)\":\(statuses[$0] ?? 0)" }
        return Array("{\(members.joined(separator: ","))}".utf8)
    }
}

extension StoreReader {
    /// Counts what the store holds. It blocks on the disk and reads the row of every run, in slices.
    ///
    /// - Returns: the counts.
    /// - Throws: `StoreError` when the store is damaged or can't be read.
    public func statistics() throws -> StoreOverview {
        let (counts, last) = try store.read { (try $0.statistics(), try $0.lastCommit()) }
        var statuses = Dictionary(uniqueKeysWithValues: RunStatus.allCases.map { ($0, 0) })
        var workflows: [Version: StoreOverview.WorkflowCount] = [:]
        var cursor = runs().makeCursor()
        while true {
            let slice = try cursor.nextSlice()
            if slice.isEmpty { break }
            for run in slice {
                statuses[run.status, default: 0] += 1
                workflows[
                    Version(workflow: run.workflow, number: run.version),
                    default: StoreOverview.WorkflowCount(
                        workflow: run.workflow, version: run.version, runs: 0, open: 0)
                ].count(run)
            }
        }
        return StoreOverview(
            lastLSN: counts.lastLSN, lastCommit: last?.event.time, records: counts.records, statuses: statuses,
            workflows: workflows.values.sorted { ($0.workflow, $0.version) < ($1.workflow, $1.version) },
            timers: counts.timers, signals: counts.signals, chunks: counts.chunks,
            usedBytes: try store.info.usedBytes, fileBytes: fileBytes)
    }

    /// The same from `async` code: the disk is waited for on a thread of its own.
    ///
    /// - Returns: the counts.
    /// - Throws: `StoreError` when the store is damaged or can't be read.
    public func statistics() async throws -> StoreOverview {
        try await onThreadOfItsOwn { try self.statistics() }
    }

    private var fileBytes: Int? {
        guard let path else { return nil }
        var status = stat()
        return stat("\(path)/data.mdb", &status) == 0 ? Int(status.st_blocks) * 512 : nil
    }
}

private struct Version: Hashable {
    var workflow: String
    var number: UInt32
}

extension StoreOverview.WorkflowCount {
    fileprivate mutating func count(_ run: RecordedRun) {
        runs += 1
        if !run.status.isFinal { open += 1 }
    }
}
