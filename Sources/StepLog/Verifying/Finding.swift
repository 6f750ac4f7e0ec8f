package import StepEvents

/// Something about a store that is not as it must be.
package struct Finding: Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, Hashable, Sendable {
        /// LSNs are missing.
        case gap
        /// A record's bytes changed, or it stands where it was not written.
        case record
        /// A run's events don't follow one another: sequence, back-chain or what the run's state allows.
        case history
        /// A commit record doesn't fit what stands before it.
        case commit
        /// The chain hash of a transaction differs: records were altered, removed or reordered.
        case chain
        /// A derived table differs from what the log says.
        case table
        /// A part of a payload belongs to no record.
        case chunk
        /// The checkpoint leads to other heads than the log.
        case checkpoint
        /// The store is older than what was acknowledged, or lost its last commit.
        case rollback
        /// A page of the database is lost or in two places.
        case pages
    }

    package var code: Code
    package var detail: String
    package var lsn: LSN?
    package var run: RunNumber?
    package var table: TableName?

    package init(
        _ code: Code, _ detail: String, lsn: LSN? = nil, run: RunNumber? = nil, table: TableName? = nil
    ) {
        self.code = code
        self.detail = detail
        self.lsn = lsn
        self.run = run
        self.table = table
    }

    package var description: String {
        var place: [String] = []
        if let table { place.append("table \(table.rawValue)") }
        if let lsn { place.append("record \(lsn)") }
        if let run, run != .store { place.append("run \(run)") }
        return (place.isEmpty ? [detail] : [place.joined(separator: ", "), detail]).joined(separator: ": ")
    }
}

/// What verifying a store came to.
package struct Verification: Hashable, Sendable {
    /// Everything up to here was read.
    package var lastLSN: LSN
    /// The chain hash there. Whoever keeps it elsewhere can prove later that nothing before it was changed.
    package var chain: [UInt8]
    package var records: Int
    package var commits: Int
    package var runs: Int
    /// What is wrong, at most ``findingsLimit`` of it.
    package var findings: [Finding]
    /// How much more is wrong.
    package var furtherFindings: Int

    package static let findingsLimit = 1_000

    package var isSound: Bool { findings.isEmpty }
}
