public import StepEvents
import StepLog

extension StoreReader {
    /// Finds a run by its id or its key. It blocks on the disk.
    ///
    /// - Parameter text: a run id in its text form, or a key that one workflow alone has.
    /// - Returns: the run.
    /// - Throws: ``RunLookupError`` when no run fits, or several; `StoreError` when the store is damaged or can't be
    ///   read.
    public func run(matching text: String) throws -> RecordedRun {
        try store.read { snapshot in
            if let id = RunID(text), let row = try snapshot.run(id: id) { return RecordedRun(row) }
            let rows = try snapshot.runs(withKey: text)
            guard let first = rows.first else { throw RunLookupError(.notFound, text) }
            guard rows.count == 1 else {
                throw RunLookupError(
                    .ambiguous, text,
                    candidates: rows.map { RunLookupError.Candidate(run: $0.id, workflow: $0.workflow) })
            }
            return RecordedRun(first)
        }
    }

    /// Finds a run by its id or its key. The disk is waited for on a thread of its own.
    ///
    /// - Parameter text: a run id in its text form, or a key that one workflow alone has.
    /// - Returns: the run.
    /// - Throws: ``RunLookupError`` when no run fits, or several; `StoreError` when the store is damaged or can't be
    ///   read.
    public func run(matching text: String) async throws -> RecordedRun {
        try await onThreadOfItsOwn { try self.run(matching: text) }
    }

    /// The events of one run, oldest first.
    ///
    /// - Parameter run: the run's id.
    /// - Returns: the events, to be iterated with `for try await` or by a cursor; reading throws ``RunLookupError`` when
    ///   there is no such run.
    public func history(of run: RunID) -> StoredRows<HistoryCursor> { StoredRows(HistoryCursor(store, run)) }
}
