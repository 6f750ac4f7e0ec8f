import StepEvents

extension EventStore {
    /// So many records take well under a second.
    private static let slice = 50_000

    /// Checks everything that the store holds: checksums, dense LSNs, each run's sequences, back-chain and
    /// transitions, the chain hashes, and every derived table against the log.
    ///
    /// Damage is reported, not thrown. It works beside a running engine.
    package func verify() throws -> Verification {
        var verifier = try LogVerifier()
        // Records never change, so all but the last slice may come from any snapshots.
        while try tables.read({ try verifier.advance($0, limit: Self.slice) }) {}
        return try tables.read { snapshot in
            while try verifier.advance(snapshot, limit: Self.slice) {}
            return try verifier.finish(snapshot)
        }
    }

    /// Makes every derived table anew from the log as it is now.
    package func rebuilt() throws -> MemoryTables {
        var fold = try LogFold()
        let last = try tables.read { try $0.lastLSN() }
        var next = LSN(1)
        while next <= last {
            try tables.read { snapshot in
                let end = LSN(next.value + UInt64(Self.slice))
                try snapshot.scanLog(from: next) { lsn, record in
                    guard lsn <= last, lsn < end else { return false }
                    try fold.take(try snapshot.decode(record, at: lsn))
                    return true
                }
                next = end
            }
        }
        return try fold.finish()
    }
}

extension StoreSnapshot {
    /// Checks this one state of the store; see ``EventStore/verify()``.
    package func verify() throws -> Verification {
        var verifier = try LogVerifier()
        while try verifier.advance(tables, limit: .max) {}
        return try verifier.finish(tables)
    }
}
