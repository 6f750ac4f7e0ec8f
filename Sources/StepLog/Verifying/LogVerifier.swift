import StepEvents

/// Checks a log record by record, in slices, and folds it into the tables that follow from it.
struct LogVerifier {
    private var fold: LogFold
    private(set) var verification = Verification(
        lastLSN: .zero, chain: CommitChain.origin, records: 0, commits: 0, runs: 0, findings: [], furtherFindings: 0)
    private var chain = CommitChain(previous: CommitChain.origin)
    /// False from records that could not be read to the next commit record: it says what came before.
    private var knowsChain = true
    private var lastCommit: LSN = .zero
    private var commit: CommitRecord?
    /// Runs whose history is broken already: one finding is enough, the rest would only repeat it.
    private var broken: Set<RunNumber> = []
    /// Whether a record could not be read: then what follows from the log is unknown.
    private(set) var hasDamage = false
    /// Whether records are missing, so that no run's history is known any more.
    private var hasHoles = false
    private var chunked: Set<LSN> = []

    /// What a snapshot takes in at most, beside a bound for the number of records.
    private static let sliceBytes = 32 << 20

    init() throws { fold = try LogFold() }

    var lastLSN: LSN { verification.lastLSN }
    var hasBrokenRuns: Bool { !broken.isEmpty }
    /// What the derived tables must hold, once the last record read is a commit record.
    var expected: any ReadTables { fold.derived }
    func head(of run: RunNumber) -> Head? { fold.head(of: run) }
    func isChunked(_ lsn: LSN) -> Bool { chunked.contains(lsn) }

    /// Reads at most `limit` further records. Returns whether the log goes on.
    mutating func advance(_ tables: any ReadTables, limit: Int) throws -> Bool {
        if lastLSN == .last { return false }
        var left = limit
        var bytes = 0
        var goesOn = false
        try tables.scanLog(from: lastLSN.next) { lsn, record in
            if left == 0 || bytes > Self.sliceBytes {
                goesOn = true
                return false
            }
            guard lsn > lastLSN else { throw StoreError(.damaged, "\(lsn) comes after \(lastLSN)", table: .log) }
            left -= 1
            bytes += record.count + (try take(record, at: lsn, tables))
            return true
        }
        return goesOn
    }

    /// Leaves out records that can't be read. Returns whether others follow, of which `readable` is the first.
    mutating func skip(before readable: LSN?, _ why: String) -> Bool {
        let end = readable.map { "to \(LSN($0.value - 1))" } ?? "on"
        report(Finding(.pages, "the records from it \(end) can't be read: \(why)", lsn: lastLSN.next, table: .log))
        (knowsChain, hasDamage, hasHoles) = (false, true, true)
        guard let readable else { return false }
        verification.lastLSN = LSN(readable.value - 1)
        return true
    }

    /// Looks at the end of the log and counts runs; the snapshot's log must have been read.
    mutating func finish(_ tables: any ReadTables) throws {
        if verification.records > 0, knowsChain, lastCommit != lastLSN {
            report(Finding(.commit, "the log does not end with a commit record", lsn: lastLSN))
        }
        verification.runs = try tables.count(.runs)
    }

    /// A row differs. What a broken history leads to is unknown, and rows that don't name their run may be its rows.
    mutating func reportRow(_ finding: Finding) {
        if finding.run.map({ !broken.contains($0) }) ?? broken.isEmpty { report(finding) }
    }

    mutating func report(_ finding: Finding) {
        if verification.findings.count < Verification.findingsLimit {
            verification.findings.append(finding)
        } else {
            verification.furtherFindings += 1
        }
    }

    // MARK: Records

    /// Returns the bytes of the payload that stands outside the record.
    private mutating func take(_ record: [UInt8], at lsn: LSN, _ tables: any ReadTables) throws -> Int {
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
            takeIntoTables(event)
            return chunks?.count ?? 0
        } catch let error as RecordError {
            damaged("\(error)", record, lsn, error.run)
        } catch let error as StoreError where error.code == .damaged {
            damaged(error.detail, record, lsn, error.runNumber.map { RunNumber($0) })
        } catch let error as TablesError where error.isUnreadable {
            let run = try? RecordCodec.header(of: record[...], lsn: lsn).run
            report(
                Finding(.pages, "its payload can't be read: \(error.detail)", lsn: lsn, run: run, table: .blobs))
            if let run { broken.insert(run) }
            (knowsChain, hasDamage) = (false, true)
            throw SnapshotSpent()
        }
        return 0
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
        defer {
            self.commit = commit
            lastCommit = lsn
            verification.chain = commit.chain
            chain = CommitChain(previous: commit.chain)
            knowsChain = true
        }
        guard knowsChain else { return }
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
    }

    private mutating func checkPlace(_ event: LoggedEvent) {
        let run = event.event.run
        guard run != .store else {
            if knowsChain, event.previous != lastCommit {
                report(
                    Finding(
                        .history, "its previous record is \(event.previous) instead of \(lastCommit)", lsn: event.lsn,
                        table: .log))
            }
            return
        }
        guard !hasHoles, !broken.contains(run), let head = fold.head(of: run) else { return }
        if event.previous != head.lsn {
            report(
                Finding(
                    .history, "its previous event is \(event.previous) instead of \(head.lsn)", lsn: event.lsn,
                    run: run, table: .log))
            broken.insert(run)
        }
    }

    private mutating func takeIntoTables(_ event: LoggedEvent) {
        guard !hasHoles, event.event.run == .store || !broken.contains(event.event.run) else { return }
        do {
            try fold.take(event)
        } catch {
            report(Finding(.history, "\(error)", lsn: event.lsn, run: event.event.run, table: .log))
            broken.insert(event.event.run)
        }
    }
}
