/// The tables of a store. `docs/FORMAT.md` describes the keys and values of each, byte by byte.
package enum TableName: String, Sendable, CaseIterable {
    /// LSN → record. The truth; all tables but `blobs` and `meta` follow from it.
    case log
    /// (LSN, chunk) → a part of a payload too large for its record. Belongs to `log`.
    case blobs
    /// Run number → row.
    case runs
    /// Run id → run number.
    case ids
    /// (Workflow, key) → run number.
    case keys
    /// The numbers of runs that have not ended.
    case open
    /// (Due, run, step) → nothing.
    case timers
    /// Waiters of signals, and signals kept for waiters to come.
    case signals
    /// Format, incarnation, epoch, checkpoint.
    case meta

    /// The tables whose content follows from `log`.
    package static let derived: [TableName] = [.runs, .ids, .keys, .open, .timers, .signals]
}
