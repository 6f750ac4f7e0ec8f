import StepEvents
import StepLog
import TestSupport
import Testing

@Suite("Verifying and rebuilding")
struct VerifyTests {
    @Test("Everything but the log can be rebuilt from it", arguments: StoreForm.allCases, [1, 2, 3])
    func rebuild(form: StoreForm, seed: UInt64) throws {
        try withStore(form, seed: seed) { test in
            var workload = RandomWorkload(seed: seed, largePayload: 70_000)
            for _ in 0..<300 {
                try test.store.submit(try workload.next())
                if workload.script.time.nanoseconds % 3 == 0 { test.store.commitPending() }
            }
            test.store.commitPending()
            let rebuilt = try test.store.rebuilt()
            try test.store.read { snapshot throws in
                try rebuilt.read { rebuilt throws in
                    for table in TableName.derived {
                        let stored = try snapshot.rows(of: table)
                        var made: [[UInt8]: [UInt8]] = [:]
                        try rebuilt.scan(table, from: nil, reversed: false) { key, value in
                            made[[UInt8](key)] = [UInt8](value)
                            return true
                        }
                        #expect(stored == made, "table \(table.rawValue)")
                        #expect(!stored.isEmpty || table == .timers || table == .signals)
                    }
                }
            }
        }
    }

    @Test("A sound store verifies, and says how far and with which hash", arguments: StoreForm.allCases)
    func sound(form: StoreForm) throws {
        try withStore(form) { test in
            var workload = RandomWorkload(seed: 8)
            for _ in 0..<50 { try test.commit(try workload.next()) }
            let verification = try test.store.verify()
            #expect(verification.isSound)
            #expect(verification.commits == 52)
            #expect(verification.runs == workload.script.states.count)
            let last = try #require(try test.store.read { try $0.lastCommit() })
            #expect(verification.lastLSN == last.lsn)
            guard case .commitRecord(let record) = last.event.body else {
                Issue.record("the log does not end with a commit record")
                return
            }
            #expect(verification.chain == record.chain)
            #expect(try test.store.read { try $0.verify() } == verification)
        }
    }

    /// What someone may do to a store behind our back.
    enum Tampering: CaseIterable {
        case flipPayload, swapRecords, forgeRecord, forgeCommitTime, dropLast, dropRow, changeRow, addTimer, dropKey
        case dropOpen, orphanChunk, oldCheckpointHead

        var expected: Finding.Code {
            switch self {
            case .flipPayload, .swapRecords: .record
            case .forgeRecord, .forgeCommitTime: .chain
            case .dropLast: .gap
            case .dropRow, .changeRow, .addTimer, .dropKey, .dropOpen: .table
            case .orphanChunk: .chunk
            case .oldCheckpointHead: .checkpoint
            }
        }
    }

    @Test("What was altered, removed, reordered or forged is found", arguments: Tampering.allCases)
    func tampered(_ tampering: Tampering) throws {
        let test = try TestStore(.memory)
        var script = RunScript()
        let first = try script.start(key: "a")
        let second = try script.start(key: "b")
        let key = StepKey(scope: "", id: "pay", occurrence: 0)
        let step = try script.command(
            first.run,
            [
                .stepStarted(StepStarted(step: .new(key), attempt: 1)),
                .stepSucceeded(StepSucceeded(step: StepNumber(1), result: Payload(json: "12345"))),
            ])
        try test.commit([first.command, second.command])
        try test.commit(step)
        test.clock.advance(by: .seconds(11))
        let next = try script.command(
            first.run, [.stepStarted(StepStarted(step: .new(StepKey(scope: "", id: "x", occurrence: 0)), attempt: 1))])
        try test.commit(next)
        #expect(try test.store.verify().isSound)

        let tables = try #require(test.memory)
        let transaction = try tables.beginWrite()
        try tamper(tampering, transaction)
        try transaction.commit()
        let verification = try test.store.verify()
        #expect(verification.findings.map(\.code).contains(tampering.expected), "\(verification.findings)")
        #expect(verification.findings.allSatisfy { !$0.description.isEmpty })
    }

    private func lsn(_ value: UInt64) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }

    private func tamper(_ tampering: Tampering, _ tables: any WriteTables) throws {
        // The log: 1, 2 commits; 3, 4 runs; 5 commit; 6, 7 the step; 8 commit; 9 a step; 10 commit.
        switch tampering {
        case .flipPayload:
            var record = try #require(try tables.get(.log, lsn(7)))
            record[record.count - 1] ^= 1
            try tables.put(.log, lsn(7), record)
        case .swapRecords:
            let (three, four) = (try tables.get(.log, lsn(3)), try tables.get(.log, lsn(4)))
            try tables.put(.log, lsn(3), try #require(four))
            try tables.put(.log, lsn(4), try #require(three))
        case .forgeRecord:
            // With a right checksum, as someone who knows the format would.
            var record = try #require(try tables.get(.log, lsn(7)))
            record[record.count - 1] ^= 1
            record.withUnsafeMutableBytes { RecordCodec.stamp($0, lsn: LSN(7), distance: 1) }
            try tables.put(.log, lsn(7), record)
        case .forgeCommitTime:
            var record = try #require(try tables.get(.log, lsn(8)))
            record[24] ^= 1
            record.withUnsafeMutableBytes { RecordCodec.stamp($0, lsn: LSN(8), distance: 3) }
            try tables.put(.log, lsn(8), record)
        case .dropLast: try tables.delete(.log, lsn(4))
        case .dropRow: try tables.delete(.runs, lsn(2))
        case .changeRow:
            try tables.put(.runs, lsn(2), try #require(try tables.get(.runs, lsn(1))))
        case .addTimer: try tables.put(.timers, [UInt8](repeating: 9, count: 20), [])
        case .dropKey:
            var key: [UInt8]?
            try tables.scan(.keys, from: nil, reversed: false) { found, _ in
                key = [UInt8](found)
                return false
            }
            try tables.delete(.keys, try #require(key))
        case .dropOpen: try tables.delete(.open, lsn(1))
        case .orphanChunk: try tables.put(.blobs, lsn(4) + [0, 0, 0, 0], [1, 2, 3])
        case .oldCheckpointHead:
            // A checkpoint that claims to know all, and knows no stale head.
            var rest = ByteWriter()
            rest.fixed(UInt64(10))
            rest.fixed(UInt32(0))
            var value = ByteWriter()
            value.fixed(CRC32C.of(rest.bytes))
            value.bytes += rest.bytes
            try tables.put(.meta, Array("checkpoint".utf8), value.bytes)
        }
    }
}

extension StoreSnapshot {
    /// All rows of a table, as bytes.
    func rows(of table: TableName) throws -> [[UInt8]: [UInt8]] {
        var rows: [[UInt8]: [UInt8]] = [:]
        try scanRaw(table) { key, value in
            rows[key] = value
            return true
        }
        return rows
    }
}
