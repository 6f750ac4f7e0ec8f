import StepEvents

extension EventStore {
    /// So many records or rows take well under a second, also from a slow disk.
    package static let slice = 5_000

    /// Checks everything that the store holds: checksums, dense LSNs, each run's sequences, back-chain and
    /// transitions, the chain hashes, and every derived table against the log.
    ///
    /// Damage is reported, not thrown. It works beside a running engine, and reads no more than `slice` records or rows
    /// in one snapshot.
    package func verify(slice: Int = slice) throws(StoreError) -> Verification {
        try asStoreError(path) {
            let tables = tables
            var verifier = try StoreVerifier(slice: slice) { body in try tables.read(body) }
            return try verifier.verify()
        }
    }

    /// Makes every derived table anew from the log as it is now.
    package func rebuilt() throws -> MemoryTables {
        var fold = try LogFold()
        let last = try tables.read { try $0.lastLSN() }
        var done = LSN.zero
        while done < last {
            let before = done
            try tables.read { snapshot in
                var left = Self.slice
                try snapshot.scanLog(from: done.next) { lsn, record in
                    guard lsn <= last, left > 0 else { return false }
                    try fold.take(try snapshot.decode(record, at: lsn))
                    done = lsn
                    left -= 1
                    return true
                }
            }
            if done == before { break }
        }
        return try fold.finish()
    }
}

extension StoreSnapshot {
    /// Checks this one state of the store; see ``EventStore/verify()``.
    package func verify() throws(StoreError) -> Verification {
        try asStoreError(path) {
            let tables = tables
            var verifier = try StoreVerifier(slice: .max) { body in try body(tables) }
            return try verifier.verify()
        }
    }
}
