import LMDB
import StepEvents

extension EventStore {
    /// Checks what stands around the log: that the witness saw nothing that is gone, that the log's last transaction
    /// is the database's, and that every page is in a table or free, once.
    ///
    /// Nothing for a store in memory. It works beside a running engine.
    package func verifyGuards() throws -> [Finding] {
        guard let path else { return [] }
        // Read first, so that whatever it saw is in the snapshot that is opened after it.
        let witness = Witness.newest(in: try WitnessFile(directory: path).read())
        var findings = try tables.read { snapshot in
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
        if let account = try (tables as? LMDBTables)?.environment.pageAccount(), !account.isBalanced {
            findings.append(
                Finding(
                    .pages,
                    "the database has \(account.total) pages, but 2 for itself, \(account.inTables) in tables and"
                        + " \(account.free) free"))
        }
        return findings
    }
}
