import StepEvents

/// Checks a log record by record, in slices, and at the end the tables against it.
struct LogVerifier {
    private var fold: LogFold
    private var verification = Verification(
        lastLSN: .zero, chain: CommitChain.origin, records: 0, commits: 0, runs: 0, findings: [], furtherFindings: 0)
    private var chain = CommitChain(previous: CommitChain.origin)
    private var lastCommit: LSN = .zero
    private var commit: CommitRecord?
    /// Runs whose history is broken already: one finding is enough, the rest would only repeat it.
    private var broken: Set<RunNumber> = []
    /// Whether a record could not be read: then what follows from the log is unknown.
    private var hasDamage = false
    private var chunked: Set<LSN> = []

    init() throws { fold = try LogFold() }

    /// Reads at most `limit` further records. Returns whether the log goes on.
    mutating func advance(_ tables: any ReadTables, limit: Int) throws -> Bool {
        var left = limit
        try tables.scanLog(from: verification.lastLSN.next) { lsn, record in
            if left == 0 { return false }
            left -= 1
            try take(record, at: lsn, tables)
            return true
        }
        return left == 0
    }

    /// Compares the tables of the snapshot that the last records were read in.
    mutating func finish(_ tables: any ReadTables) throws -> Verification {
        if verification.records > 0, lastCommit != verification.lastLSN {
            report(Finding(.commit, "the log does not end with a commit record", lsn: verification.lastLSN))
        }
        verification.runs = try tables.count(.runs)
        let expected = try fold.finish()
        if !hasDamage {
            try expected.read { try compareTables(tables, expected: $0) }
            try checkChunks(tables)
        }
        if !hasDamage, broken.isEmpty { try checkHeads(tables) }
        return verification
    }

    private mutating func compareTables(_ tables: any ReadTables, expected: any ReadTables) throws {
        for table in TableName.derived {
            try TableComparison.compare(table, stored: tables, expected: expected) { finding in
                // What a broken history leads to is unknown, and rows that don't name their run may be its rows.
                let isKnown = finding.run.map { !broken.contains($0) } ?? broken.isEmpty
                if isKnown { report(finding) }
            }
        }
    }

    private mutating func report(_ finding: Finding) {
        if verification.findings.count < Verification.findingsLimit {
            verification.findings.append(finding)
        } else {
            verification.furtherFindings += 1
        }
    }

    // MARK: Records

    private mutating func take(_ record: [UInt8], at lsn: LSN, _ tables: any ReadTables) throws {
        if lsn != verification.lastLSN.next {
            report(Finding(.gap, "the records from \(verification.lastLSN.next) on are missing", lsn: lsn))
        }
        verification.lastLSN = lsn
        verification.records += 1
        do {
            let chunks = try tables.chunks(of: record, at: lsn)
            if chunks != nil { chunked.insert(lsn) }
            let event = try RecordCodec.decode(record[...], lsn: lsn, chunks: chunks)
            if case .commitRecord(let commit) = event.event.body {
                take(commit, event, record)
            } else {
                hash(record, lsn, chunks)
                checkPlace(event)
            }
            try takeIntoTables(event)
        } catch let error as RecordError {
            damaged("\(error)", record, lsn, error.run)
        } catch let error as StoreError where error.code == .damaged {
            damaged(error.detail, record, lsn, error.runNumber.map { RunNumber($0) })
        }
    }

    private mutating func damaged(_ what: String, _ record: [UInt8], _ lsn: LSN, _ run: RunNumber?) {
        report(Finding(.record, what, lsn: lsn, run: run, table: .log))
        hash(record, lsn, nil)
        if let run { broken.insert(run) }
        hasDamage = true
    }

    private mutating func hash(_ record: [UInt8], _ lsn: LSN, _ chunks: [UInt8]?) {
        record.withUnsafeBytes { record in
            guard let chunks else { return chain.add(lsn, record) }
            chunks.withUnsafeBytes { chain.add(lsn, record, more: $0) }
        }
    }

    private mutating func take(_ commit: CommitRecord, _ event: LoggedEvent, _ record: [UInt8]) {
        let lsn = event.lsn
        verification.commits += 1
        if commit.first != lastCommit.next || event.previous != lastCommit {
            report(
                Finding(
                    .commit, "it names \(commit.first) and \(event.previous), but the commit before is \(lastCommit)",
                    lsn: lsn, table: .log))
        }
        if let last = self.commit, last.incarnation == commit.incarnation, commit.transaction <= last.transaction {
            report(
                Finding(
                    .commit, "its transaction \(commit.transaction) does not come after \(last.transaction)", lsn: lsn,
                    table: .log))
        }
        let expected = record.withUnsafeBytes { chain.finish(lsn, commitRecord: $0) }
        if expected != commit.chain {
            report(
                Finding(
                    .chain,
                    "the chain hash of records \(commit.first) to \(lsn) differs: they were altered, removed or"
                        + " reordered", lsn: lsn, table: .log))
        }
        self.commit = commit
        lastCommit = lsn
        verification.chain = commit.chain
        chain = CommitChain(previous: commit.chain)
    }

    private mutating func checkPlace(_ event: LoggedEvent) {
        let run = event.event.run
        guard run != .store else {
            if event.previous != lastCommit {
                report(
                    Finding(
                        .history, "its previous record is \(event.previous) instead of \(lastCommit)", lsn: event.lsn,
                        table: .log))
            }
            return
        }
        guard !broken.contains(run), let head = fold.head(of: run) else { return }
        if event.previous != head.lsn {
            report(
                Finding(
                    .history, "its previous event is \(event.previous) instead of \(head.lsn)", lsn: event.lsn,
                    run: run, table: .log))
            broken.insert(run)
        }
    }

    private mutating func takeIntoTables(_ event: LoggedEvent) throws {
        guard event.event.run == .store || !broken.contains(event.event.run) else { return }
        do {
            try fold.take(event)
        } catch let error as IllegalTransition {
            report(Finding(.history, "\(error)", lsn: event.lsn, run: event.event.run, table: .log))
            broken.insert(event.event.run)
        }
    }

    // MARK: The end

    private mutating func checkChunks(_ tables: any ReadTables) throws {
        var orphans: Set<LSN> = []
        try tables.scan(.blobs, from: nil, reversed: false) { key, _ in
            var reader = KeyReader(key)
            let lsn = LSN(reader.integer(UInt64.self) ?? 0)
            if !chunked.contains(lsn) { orphans.insert(lsn) }
            return true
        }
        for lsn in orphans.sorted() {
            report(Finding(.chunk, "the record has no payload outside it, but there is one", lsn: lsn, table: .blobs))
        }
    }

    /// Recovery must find the head of every run that the log has.
    private mutating func checkHeads(_ tables: any ReadTables) throws {
        do {
            for finding in try wrongHeads(tables) { report(finding) }
        } catch let error as StoreError where error.code == .damaged {
            report(Finding(.checkpoint, error.detail, lsn: error.lsn, table: .meta))
        }
    }

    private func wrongHeads(_ tables: any ReadTables) throws -> [Finding] {
        let index = try Recovery.heads(tables)
        var wrong: [Finding] = []
        try tables.scan(.open, from: nil, reversed: false) { key, _ in
            var reader = KeyReader(key)
            guard let number = reader.integer(UInt64.self), let row = try tables.get(.runs, [UInt8](key)) else {
                return true
            }
            let run = RunNumber(number)
            let head = try index.stale[run] ?? RunRow.head(of: row, run: run)
            if head != fold.head(of: run) {
                wrong.append(
                    Finding(.checkpoint, "recovery takes \(head.lsn) for the run's last event", run: run, table: .meta))
            }
            return true
        }
        return wrong
    }
}
