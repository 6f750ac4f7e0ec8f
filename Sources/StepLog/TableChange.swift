package import StepEvents

/// A change of a derived table that rides with the events it follows from. Only ``Projection`` makes them.
package enum TableChange: Hashable, Sendable {
    /// The writer of the log fills in the row's head and first LSN.
    indirect case putRun(RunRow)
    case putID(RunID, RunNumber)
    case putKey(workflow: String, key: String, RunNumber)
    case putOpen(RunNumber)
    case deleteOpen(RunNumber)
    /// `step` is 0 for the run's own next attempt.
    case putTimer(due: Timestamp, run: RunNumber, step: StepNumber)
    case deleteTimer(due: Timestamp, run: RunNumber, step: StepNumber)
    case putWaiter(signal: String, since: Timestamp, run: RunNumber, step: StepNumber)
    case deleteWaiter(signal: String, since: Timestamp, run: RunNumber, step: StepNumber)
    /// A signal that may be sent again went to a run, or is kept (run 0).
    indirect case putReceipt(ReceiptName, run: RunNumber, at: Timestamp)
    case deleteReceipt(ReceiptName)
    /// `event` is the place of the `signalKept` in its command, whose LSN only the writer of the log knows.
    case putKept(signal: String, keptAt: Timestamp, until: Timestamp, event: Int)
    case deleteKept(signal: String, keptAt: Timestamp)
}

/// What a receipt is looked up by.
package enum ReceiptName: Hashable, Sendable {
    /// The idempotency key of a signal of this name.
    case key(signal: String, String)
    /// The step of a run that sends the signal.
    case step(RunNumber, StepNumber)

    package init(_ mark: SignalMark, of signal: String) {
        self =
            switch mark {
            case .key(let key): .key(signal: signal, key)
            case .step(let run, let step): .step(run, step)
            }
    }
}
