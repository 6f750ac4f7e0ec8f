package import StepLog

extension EventStore {
    /// Checks everything that the store holds: checksums, chains, histories, and every derived row against the log.
    package func requireSound() throws {
        let verification = try verify()
        guard verification.isSound else { throw UnsoundStore(verification: verification) }
    }
}
