import StepEvents
import StepLog
import Synchronization
import TestSupport
import Testing

@Suite("Verifying in slices")
struct VerifySliceTests {
    private let watch = WatchedTables.Watch()

    private func makeStore() throws -> TestStore {
        let watch = watch
        return try TestStore(.lmdb, options: { $0.around = { WatchedTables($0, watch) } })
    }

    /// An engine's commits, one at each call.
    private func writing(_ workload: RandomWorkload, to store: EventStore) -> @Sendable () -> Void {
        let lent = Mutex(workload)
        return {
            guard let command = try? lent.withLock({ try $0.next() }) else { return }
            try? store.submit(command)
            store.commitPending()
        }
    }

    @Test("Beside an engine that writes all the time no snapshot lends more than a slice", arguments: [1, 2, 3])
    func slices(seed: UInt64) throws {
        let test = try makeStore()
        defer { test.store.close() }
        let store = test.store
        let write = writing(RandomWorkload(seed: seed, largePayload: 70_000), to: store)
        for _ in 0..<1_000 { write() }
        watch.withLock {
            $0.snapshots = []
            $0.afterRead = write
        }
        let verification = try store.verify(slice: 100)
        let snapshots = watch.withLock { watch in
            watch.afterRead = nil
            return watch.snapshots
        }
        #expect(verification.isSound, "\(verification.findings)")
        #expect(verification.records > 2_000)
        #expect(snapshots.count > 30)
        // Records of the log, rows of a table, and for each of those what the check of heads looks up; a record's chunks.
        #expect(snapshots.max() ?? 0 <= 500)
        try store.requireSound()
    }

    @Test("A live engine hides no wrong row")
    func wrongRow() throws {
        let test = try makeStore()
        defer { test.store.close() }
        let store = test.store
        let write = writing(RandomWorkload(seed: 5), to: store)
        for _ in 0..<300 { write() }
        // A timer that nothing asked for, in a transaction that looks like one of an engine.
        try store.submit(
            Command(
                batch: EventBatch(),
                changes: [.putTimer(due: Timestamp(nanoseconds: 7), run: RunNumber(1), step: StepNumber(9))]))
        store.commitPending()
        watch.withLock { $0.afterRead = write }
        let findings = try store.verify(slice: 50).findings
        watch.withLock { $0.afterRead = nil }
        #expect(findings.map(\.table) == [.timers])
        #expect(findings.map(\.code) == [.table])
    }

    @Test(
        "What lies on pages that can't be read is told, and the rest is checked", arguments: [1...1, 40...90, 17...18])
    func lostRecords(lost: ClosedRange<UInt64>) throws {
        let test = try makeStore()
        defer { test.store.close() }
        var workload = RandomWorkload(seed: 9)
        for _ in 0..<200 { try test.commit(try workload.next()) }
        let last = try #require(try test.store.read { try $0.lastCommit() }).lsn
        watch.withLock { $0.isDamaged = { table, key in table == .log && lost.contains(number(key)) } }
        let verification = try test.store.verify(slice: 20)
        #expect(verification.findings.map(\.code) == [.pages])
        #expect(verification.findings.first?.lsn == LSN(lost.lowerBound))
        #expect(verification.findings.first?.detail.contains("to \(lost.upperBound) ") == true)
        #expect(verification.lastLSN == last)
        #expect(verification.records == Int(last.value) - lost.count)
    }

    @Test("A log whose end can't be read is checked up to there")
    func lostEnd() throws {
        let test = try makeStore()
        defer { test.store.close() }
        var workload = RandomWorkload(seed: 9)
        for _ in 0..<100 { try test.commit(try workload.next()) }
        watch.withLock { $0.isDamaged = { table, key in table == .log && number(key) > 50 } }
        let verification = try test.store.verify(slice: 20)
        #expect(verification.findings.map(\.code) == [.pages])
        #expect(verification.lastLSN == LSN(50))
    }

    @Test(
        "Each table that can't be read is a finding, the others are compared", arguments: TableName.derived + [.blobs])
    func lostTable(table: TableName) throws {
        let test = try makeStore()
        defer { test.store.close() }
        var workload = RandomWorkload(seed: 4, largePayload: 70_000)
        for _ in 0..<300 { try test.commit(try workload.next()) }
        let count = try test.store.read { snapshot in
            var count = 0
            try snapshot.scanRaw(table) { _, _ in
                count += 1
                return true
            }
            return count
        }
        try #require(count > 0)
        watch.withLock { $0.isDamaged = { found, _ in found == table } }
        let findings = try test.store.verify(slice: 100).findings
        #expect(!findings.isEmpty)
        #expect(findings.allSatisfy { $0.code == .pages })
        #expect(findings.contains { $0.table == table })
    }

    @Test("What the database itself says of damaged pages is a finding too")
    func guards() throws {
        let test = try makeStore()
        defer { test.store.close() }
        var script = RunScript()
        try test.commit(try script.start().command)
        watch.withLock { $0.isDamaged = { table, _ in table == .log } }
        #expect(try test.store.verifyGuards().map(\.code) == [.pages])
    }
}

private func number(_ key: [UInt8]) -> UInt64 { key.reduce(0) { $0 << 8 | UInt64($1) } }
