public import StepEvents
import StepLog

/// What checking a whole store came to.
public struct StoreVerification: Hashable, Sendable {
    /// Something about a store that is not as it must be.
    public struct Finding: Hashable, Sendable {
        /// What kind of thing it is: `gap record history commit chain table chunk checkpoint rollback pages`.
        public let kind: String
        /// What is wrong, in a sentence without the place.
        public let detail: String
        /// The record concerned, if one is.
        public let lsn: LSN?
        /// The run concerned, if one is and its id can be read.
        public let run: RunID?
        /// The table concerned, if one is.
        public let table: String?

        init(kind: String, detail: String, lsn: LSN?, run: RunID?, table: String?) {
            self.kind = kind
            self.detail = detail
            self.lsn = lsn
            self.run = run
            self.table = table
        }

        /// A finding of whoever watched a check end before its time.
        ///
        /// - Parameter detail: what is wrong, in a sentence without the place.
        public init(unreadable detail: String) {
            self.init(kind: "pages", detail: detail, lsn: nil, run: nil, table: nil)
        }

        /// One JSON object on one line, without a line's end: `finding detail lsn run table`, those that do not apply
        /// left out.
        public var json: [UInt8] {
            var line = JSONLine()
            line.member("finding", kind)
            line.member("detail", detail)
            line.optional("lsn", lsn?.value)
            line.optional("run", run?.description)
            line.optional("table", table)
            return line.finish()
        }
    }

    /// Everything up to here was read.
    public let lastLSN: LSN
    /// SHA-256 over every record up to there, commit by commit. Whoever keeps it elsewhere can prove later that
    /// nothing before it was changed.
    public let chain: [UInt8]
    /// How many records were read, commit records included.
    public let records: Int
    /// How many commit records were read.
    public let commits: Int
    /// How many runs there are.
    public let runs: Int
    /// What is wrong, at most about 1,000 of it.
    public let findings: [Finding]
    /// How much more is wrong.
    public let furtherFindings: Int

    /// Whether nothing is wrong.
    public var isSound: Bool { findings.isEmpty }

    /// The chain hash in hexadecimal digits.
    public var chainText: String { hexadecimal(chain) }

    /// One JSON object on one line, without a line's end: `sound lsn chain records commits runs findings`, the last of
    /// which counts.
    public var json: [UInt8] {
        var line = JSONLine()
        line.member("sound", isSound)
        line.member("lsn", lastLSN.value)
        line.member("chain", chainText)
        line.member("records", records)
        line.member("commits", commits)
        line.member("runs", runs)
        line.member("findings", findings.count + furtherFindings)
        return line.finish()
    }
}

extension StoreReader {
    /// Checks everything that the store holds: each record's checksum, each run's history, the chain hashes, every
    /// derived table against the log, the witness, the database's pages. It blocks on the disk, reads the whole store,
    /// and needs memory for the derived tables.
    ///
    /// The pages of the database carry no checksums: a damaged one may end the process. `stepkit verify` therefore
    /// does this in a process of its own.
    ///
    /// - Returns: what was found; damage is reported, not thrown.
    /// - Throws: `StoreError` when the store can't be read at all.
    public func verify() throws -> StoreVerification {
        let guards = try store.verifyGuards()
        let verification = try store.verify()
        return StoreVerification(
            lastLSN: verification.lastLSN, chain: verification.chain, records: verification.records,
            commits: verification.commits, runs: verification.runs,
            findings: (guards + verification.findings).map(describe), furtherFindings: verification.furtherFindings)
    }

    /// The same from `async` code: the disk is waited for on a thread of its own.
    ///
    /// - Returns: what was found; damage is reported, not thrown.
    /// - Throws: `StoreError` when the store can't be read at all.
    public func verify() async throws -> StoreVerification {
        try await onThreadOfItsOwn { try self.verify() }
    }

    private func describe(_ finding: Finding) -> StoreVerification.Finding {
        var run: RunID?
        if let number = finding.run, number != .store {
            // A row that can't be read is most likely a finding itself.
            run = try? store.read { try $0.run(number)?.id }
        }
        return StoreVerification.Finding(
            kind: finding.code.rawValue, detail: finding.detail, lsn: finding.lsn, run: run,
            table: finding.table?.rawValue)
    }
}
