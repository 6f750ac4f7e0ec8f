public import StepEvents
package import StepLog

/// What a store says of one run.
public struct RecordedRun: Hashable, Sendable {
    /// The error of a run, shortened to 1 KiB for each text. Its last event holds the whole.
    public struct ErrorSummary: Hashable, Sendable {
        /// The name of the error's type, with its module.
        public let type: String
        /// What the error said of itself.
        public let message: String
    }

    /// The run's id.
    public let run: RunID
    /// The id of its workflow.
    public let workflow: String
    /// The workflow's version when the run was started.
    public let version: UInt32
    /// The id that the user chose, unique per workflow; `nil` where none was given.
    public let key: String?
    /// Where the run stands.
    public let status: RunStatus
    /// When it was accepted.
    public let started: Timestamp
    /// When it ended; `nil` before.
    public let finished: Timestamp?
    /// How often the workflow function was begun, from 1; it counts only restarts after the function threw.
    public let attempt: UInt32
    /// The run that invoked this one, if one did.
    public let parent: RunID?
    /// The error of a failed or held run, and of the last failed attempt of one that is to run again.
    public let error: ErrorSummary?

    let number: RunNumber

    package init(_ row: RunRow) {
        run = row.id
        workflow = row.workflow
        version = row.version
        key = row.key
        status = row.status
        started = row.startedAt
        finished = row.finishedAt
        attempt = row.attempt
        parent = row.parent
        error = row.failure.map { ErrorSummary(type: $0.type, message: $0.message) }
        number = row.number
    }

    /// One JSON object on one line, without a line's end: `run workflow version key status started finished attempt
    /// parent error`, in this order; those that have no value are left out.
    public var json: [UInt8] {
        var line = JSONLine()
        line.member("run", run.description)
        line.member("workflow", workflow)
        line.member("version", version)
        line.optional("key", key)
        line.member("status", status.name)
        line.member("started", started.description)
        line.optional("finished", finished?.description)
        line.member("attempt", attempt)
        line.optional("parent", parent?.description)
        if let error {
            var object = JSONLine()
            object.member("type", error.type)
            object.member("message", error.message)
            line.member("error", json: object.finish())
        }
        return line.finish()
    }
}
