public import StepEvents

/// One event of a log, with what earlier events say of its run and its step filled in.
///
/// Properties that do not apply to an event's kind are `nil`. `docs/CLI.md` lists the kinds with theirs.
public struct RecordedEvent: Hashable, Sendable {
    /// The place of the event in the log.
    public let lsn: LSN
    /// The kind of event, by its name: `stepSucceeded`.
    public let kind: String
    /// When the event was accepted.
    public let time: Timestamp
    /// The run that the event belongs to; `nil` for events of the store itself.
    public internal(set) var run: RunID?
    /// The workflow of the run.
    public internal(set) var workflow: String?
    /// The run's key, where it has one.
    public internal(set) var key: String?
    /// The place in the run's history, dense from 0; `nil` for events of the store itself.
    public internal(set) var sequence: UInt32?
    /// The step, wait, child or sending that the event is about.
    public internal(set) var step: StepKey?
    /// The number of the step's attempt, from 1; `nil` for what is not attempted (waits, children, sendings).
    public internal(set) var attempt: UInt32?

    /// The version of the workflow that the run was started with.
    public internal(set) var version: UInt32?
    /// The run that invoked this one.
    public internal(set) var parent: RunID?
    /// The name of a signal.
    public internal(set) var signal: String?
    /// The run that was invoked.
    public internal(set) var child: RunID?
    /// The workflow of the run that was invoked.
    public internal(set) var childWorkflow: String?
    /// The run that a signal reached.
    public internal(set) var recipient: RunID?
    /// When a sleep is over, or until when a signal is kept.
    public internal(set) var until: Timestamp?
    /// When a wait or the wait for a child gives up.
    public internal(set) var timeoutAt: Timestamp?
    /// When the signal that this is about was kept.
    public internal(set) var keptAt: Timestamp?
    /// When the next attempt begins; `nil` where there is none.
    public internal(set) var retryAt: Timestamp?
    /// Who asked for it.
    public internal(set) var by: String?
    /// Why: what the operator wrote, or, for an interrupted attempt, `crash`, `shutdown`,
    /// `notBegun` (it was shut down before the body began) or `inspection` (it is about to be found out what it did).
    public internal(set) var reason: String?
    /// How a child ended for its parent: `succeeded`, `failed`, `cancelled` or `timedOut`.
    public internal(set) var outcome: String?
    /// The idempotency key that a signal's sender gave.
    public internal(set) var idempotencyKey: String?
    /// The error.
    public internal(set) var error: Failure?
    /// The stored bytes of the input, result, output, heartbeat or signal: JSON, unless the client's codec says
    /// otherwise.
    public internal(set) var data: [UInt8]?
    /// What a commit record says.
    public internal(set) var commit: Commit?

    /// What a commit record, the last record of each transaction, says of it.
    public struct Commit: Hashable, Sendable {
        /// The database's id of the transaction.
        public let transaction: UInt64
        /// Which life of the store's file it was; a copy or a restore begins another.
        public let incarnation: UInt64
        /// The transaction's first record.
        public let first: LSN
        /// SHA-256 over the chain hash of the commit before and this transaction's records.
        public let chain: [UInt8]
    }

    init(_ logged: LoggedEvent) {
        lsn = logged.lsn
        kind = logged.event.kind.name
        time = logged.event.time
    }
}
