import LMDB
import StepEvents

extension EventStore {
    /// Checks what stands around the log: that the witness saw nothing that is gone, that the log's last transaction
    /// is the database's, and that every page is in a table or free, once.
    ///
    /// Nothing for a store in memory. It works beside a running engine.
    package func verifyGuards() throws(StoreError) -> [Finding] {
        guard let path else { return [] }
        return try asStoreError(path) {
            // Read first, so that whatever it saw is in the snapshot that is opened after it.
            let witness = Witness.newest(in: try WitnessFile(directory: path).read())
            return try unlessUnreadable { try checkEnd(witness) } + unlessUnreadable { try checkPages() }
        }
    }

    /// Damaged pages are a finding like any other.
    private func unlessUnreadable(_ check: () throws -> [Finding]) throws -> [Finding] {
        do { return try check() } catch let error as StoreError {
            throw error
        } catch {
            let error = TablesError(error)
            guard error.isUnreadable else { throw error }
            return [Finding(.pages, error.detail)]
        }
    }

    private func checkEnd(_ witness: Witness?) throws -> [Finding] {
        try tables.read { snapshot in
            do {
                guard let (position, commit) = try Recovery.position(snapshot),
                    let incarnation = try snapshot.metaNumber(TableKey.Meta.incarnation)
                else { return [Finding(.commit, "the log is empty or the store lacks its incarnation")] }
                try Recovery.checkFence(commit, last: position.last, tables: snapshot)
                try Witness.check(
                    witness, incarnation: incarnation, last: position.last,
                    isUnused: { try Recovery.isUnused(snapshot) },
                    commit: { try Recovery.commitRecord(at: $0, snapshot) })
                return []
            } catch let error as StoreError where error.isRollback {
                return [Finding(.rollback, error.detail, lsn: error.lsn)]
            } catch let error as StoreError where error.code == .damaged {
                return [Finding(.commit, error.detail, lsn: error.lsn)]
            } catch let error as RecordError {
                return [Finding(.record, "\(error)", lsn: error.lsn, run: error.run, table: .log)]
            }
        }
    }

    private func checkPages() throws -> [Finding] {
        guard let account = try (tables as? LMDBTables)?.environment.pageAccount(), !account.isBalanced else {
            return []
        }
        return [
            Finding(
                .pages,
                "the database has \(account.total) pages, but 2 for itself, \(account.inTables) in tables and"
                    + " \(account.free) free")
        ]
    }
}
