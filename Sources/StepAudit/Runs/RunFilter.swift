public import StepEvents

/// Which runs are asked for. All of its conditions must hold; without any, every run matches.
public struct RunFilter: Hashable, Sendable {
    /// Where the run stands.
    public var status: RunStatus?
    /// The id of its workflow.
    public var workflow: String?
    /// The run was accepted at this time or later.
    public var since: Timestamp?

    /// Makes a filter.
    ///
    /// - Parameters:
    ///   - status: where the run stands; `nil` for any.
    ///   - workflow: the id of its workflow; `nil` for any.
    ///   - since: the earliest time at which it was accepted; `nil` for any.
    public init(status: RunStatus? = nil, workflow: String? = nil, since: Timestamp? = nil) {
        self.status = status
        self.workflow = workflow
        self.since = since
    }

    func matches(_ run: RecordedRun) -> Bool {
        (status == nil || run.status == status) && (workflow == nil || run.workflow == workflow)
            && since.map { run.started >= $0 } ?? true
    }
}
