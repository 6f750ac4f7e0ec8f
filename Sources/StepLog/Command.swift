package import StepEvents

/// Events of one run, or of the store, and what follows from them in other tables: durable together or not at all.
///
/// Without events and changes it is a barrier: acknowledged once everything submitted before it is durable.
package struct Command: Sendable {
    /// What may still be accepted when room runs out.
    package enum Priority: UInt8, Sendable, Comparable {
        /// Starts a run: refused first.
        case newRun = 0
        case normal = 1
        /// Completes what runs already, or frees room: always accepted.
        case completion = 2

        package static func < (left: Priority, right: Priority) -> Bool { left.rawValue < right.rawValue }
    }

    package var batch: EventBatch
    package var changes: [TableChange]
    package var observer: (any CommitObserver)?
    /// Handed back to the observer.
    package var token: UInt64
    package var priority: Priority

    package init(
        batch: EventBatch, changes: [TableChange] = [], observer: (any CommitObserver)? = nil, token: UInt64 = 0,
        priority: Priority = .normal
    ) {
        self.batch = batch
        self.changes = changes
        self.observer = observer
        self.token = token
        self.priority = priority
    }

    var isBarrier: Bool { batch.isEmpty && changes.isEmpty }
    /// What it counts against the bound of the queue.
    var bytes: Int { batch.bytes.count + changes.count * 64 + 64 }
}

/// Hears of the fate of commands.
package protocol CommitObserver: AnyObject, Sendable {
    /// Called on the log's writer thread, in LSN order; it must be quick and must not block.
    ///
    /// - Parameters:
    ///   - outcome: the LSN of the command's last event, durable now; or why it is not, or not known to be, durable.
    ///   - token: the command's.
    func acknowledged(_ outcome: Result<LSN, StoreError>, token: UInt64)
}
