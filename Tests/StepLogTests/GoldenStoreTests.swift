import Foundation
import StepEvents
import TestSupport
import Testing

@testable import StepLog

/// The bytes of every table of a store, and of its witness. If this test fails, the format has changed: give it a new
/// version and describe it in docs/FORMAT.md. Never just replace the bytes.
@Suite("Golden bytes of a store")
struct GoldenStoreTests {
    @Test("Every table is written as it always was", arguments: StoreForm.allCases)
    func tables(form: StoreForm) throws {
        try withStore(form, seed: 42) { test in
            try fill(test)
            var found: [String] = []
            for table in TableName.allCases {
                try test.store.read { snapshot in
                    try snapshot.scanRaw(table) { key, value in
                        // The form of tables stands in the format row: page size, time and library.
                        let value = key == Array("format".utf8) ? Array(value.prefix(18)) : value
                        let chunk = table == .blobs ? "\(value.count) bytes" : hexadecimal(value)
                        found += [table.rawValue] + wrapped(hexadecimal(key)) + ["  ="] + wrapped(chunk)
                        return true
                    }
                }
            }
            #expect(found == Self.golden.split(separator: "\n").map(String.init))
        }
    }

    @Test("The witness is written as it always was")
    func witness() throws {
        let test = try TestStore(.memory, seed: 42)
        try fill(test)
        test.store.close()
        let bytes = try #require(test.memory).read()
        #expect(bytes.count == 1_024)
        for (slot, golden) in zip([bytes[..<512], bytes[512...]], Self.goldenWitness) {
            #expect(hexadecimal(slot.prefix(76)) + " " + hexadecimal(slot.suffix(4)) == golden)
            #expect(slot.dropFirst(76).dropLast(4).allSatisfy { $0 == 0 })
        }
    }

    @Test("docs/FORMAT.md names every table, every kind of row and every kind of event")
    func document() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(contentsOf: root.appendingPathComponent("docs/FORMAT.md"), encoding: .utf8)
        let sections = text.components(separatedBy: "\n### ")
        let test = try TestStore(.memory)
        defer { test.store.close() }
        try fill(test)
        for table in TableName.allCases {
            let section = try #require(
                sections.first { $0.hasPrefix("`\(table.rawValue)`\n") }, "table \(table.rawValue)")
            let kinds = try test.store.read { snapshot in
                var kinds: Set<String> = []
                try snapshot.scanRaw(table) { key, _ in
                    kinds.formUnion([kind(of: key, in: table)].compactMap { $0 })
                    return true
                }
                return kinds
            }
            // Something of each kind is in the golden store, so that its bytes are fixed too.
            if table == .signals { #expect(kinds.count == TableKey.SignalTag.allCases.count) }
            for kind in kinds { #expect(section.contains(kind), "\(kind) in table \(table.rawValue)") }
        }
        for kind in EventKind.allCases {
            #expect(text.contains("| \(kind.rawValue) | `\(kind.name)` |"), "kind \(kind.name)")
        }
    }

    /// What the section of a table with several kinds of row must say of one of them.
    private func kind(of key: [UInt8], in table: TableName) -> String? {
        switch table {
        case .signals: key.first.map { "| u8 \($0)," }
        case .meta: "| `\(String(decoding: key, as: UTF8.self))` |"
        case .timers: key.count == 20 ? "Key: due time, run number u64, step u32." : "run number 0, and the LSN (u64)"
        case .log, .blobs, .runs, .ids, .keys, .open: nil
        }
    }

    /// Something in every table, and in every column that may be empty.
    private func fill(_ test: TestStore) throws {
        var script = RunScript()
        let key = StepKey(scope: "", id: "wait", occurrence: 0)
        let first = try script.start(key: "order-1", input: Payload([UInt8](repeating: 32, count: 70_000)))
        let second = try script.start(workflow: String(repeating: "w", count: 300), key: "k")
        try test.commit([first.command, second.command])
        let until = Timestamp(nanoseconds: 1_772_000_600_000_000_000)
        try test.commit([
            try script.command(first.run, [.waitStarted(WaitStarted(key: key, signal: "ok", timeoutAt: until))]),
            try script.command(second.run, [.stepStarted(StepStarted(step: .new(key), attempt: 1))]),
            try script.command(second.run, [.runFailed(RunFailed(failure: Failure(type: "E", message: "m")))]),
            script.storeCommand([.signalKept(SignalKept(signal: "late", payload: .null, until: until))]),
        ])
        let third = try script.start()
        try test.commit(third.command)
        try test.commit(try script.command(third.run, [.stepStarted(StepStarted(step: .new(key), attempt: 1))]))
        test.clock.advance(by: .seconds(11))
        try test.commit(
            try script.command(third.run, [.stepSucceeded(StepSucceeded(step: StepNumber(1), result: .null))]))
        try fillMore(test, &script, parent: third.run)
    }

    /// A child that is to be cancelled, and signals that leave receipts.
    private func fillMore(_ test: TestStore, _ script: inout RunScript, parent: RunNumber) throws {
        let id = try #require(script.states[parent]?.start.id)
        let child = try script.start(
            parent: RunStarted.Parent(id: id, run: parent, step: StepNumber(1), detached: true))
        try test.commit(child.command)
        try test.commit(
            try script.command(child.run, [.runCancelRequested(RunCancelRequested(by: "ops", reason: "late"))]))
        let until = Timestamp(nanoseconds: 1_772_000_600_000_000_000)
        for mark in [SignalMark.key("once"), .step(parent, StepNumber(1))] {
            let kept = SignalKept(signal: "late", payload: .null, until: until, mark: mark)
            try test.commit(script.storeCommand([.signalKept(kept)]))
        }
    }

    private func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Lines of at most 100 digits, indented.
    private func wrapped(_ digits: String) -> [String] {
        stride(from: 0, to: digits.count, by: 100).map { "  " + digits.dropFirst($0).prefix(100) }
    }

    private static let goldenWitness: [String] = [
        """
        5354455057495400010000000200000000000000956eeb2f2632d7bd100000000000000000aea41d9f6897189b5c8da990c3\
        7bb4762847a5643c1ebceaef0d20b3e4a2f3acf59557d79fee0c ad17a2d9
        """,
        """
        5354455057495400010001000300000000000000956eeb2f2632d7bd180000000000000000aea41d9f68971837e31c71732b\
        caaa1e549e7557a5b03e81d2522aacb874105c7aa3ce8396b884 4e9f4470
        """,
    ]

    private static let golden = """
        log
          0000000000000001
          =
          4000000000000000000000000000000000000000000000000000fe8d9c689718f5bfab910100000000000000956eeb2f2632
          d7bd01000000000000003d92a0a6ef95ebcbd9adc6df8aea0977057903b5a11d83e7e6ab0034f7e997b0
        log
          0000000000000002
          =
          4000000000000000000000000000000001000000000000000000fe8d9c689718eb2f03dc0200000000000000956eeb2f2632
          d7bd0200000000000000f9b9b72bf7f0131d69d0f490c793357bbe685341f8f9bf1d67b02b9a488c467f
        log
          0000000000000003
          =
          01020000010000000000000000000000000000000000000040420d8e9c689718717d028fa1110100
        log
          0000000000000004
          =
          01000000020000000000000000000000000000000000000080841c8e9c689718d0ff1469727301386e939c01d694d70b0100
          0080ac0277777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777
          7777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777
          7777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777
          7777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777
          7777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777
          7777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777
          777777770101016b0200000000000000007b7d
        log
          0000000000000005
          =
          4000000000000000000000000000000003000000000000000000fe8d9c6897180b1c31f60300000000000000956eeb2f2632
          d7bd0300000000000000be693d05e49e40af25c1b395dcf00442a95d9b7eeb05c74dc580bc5a33aa0327
        log
          0000000000000006
          =
          220000000100000000000000010000000300000000000000c0c62b8e9c6897186cb96a6300047761697400026f6b010070c7
          4028699718
        log
          0000000000000007
          =
          10000000020000000000000001000000030000000000000000093b8e9c68971868e96f3a010000047761697400
        log
          0000000000000008
          =
          030000000200000000000000020000000100000000000000404b4a8e9c6897184bb48e8b0145016d000000
        log
          0000000000000009
          =
          410000000000000000000000000000000400000000000000808d598e9c68971895a93f63046c6174650070c7402869971800
          6e756c6c
        log
          000000000000000a
          =
          4000000000000000000000000000000005000000000000000000fe8d9c689718816a09d70400000000000000956eeb2f2632
          d7bd0600000000000000e947a61e0c9410d9fc188ab389b1f301c9fe871377feb691bc568d304aad0c98
        log
          000000000000000b
          =
          010000000300000000000000000000000000000000000000c0cf688e9c689718c7f489422b7d06386e939c01415fc3910100
          00800d70726f636573732d6f7264657201000300000000000000007b7d
        log
          000000000000000c
          =
          4000000000000000000000000000000002000000000000000000fe8d9c6897187cb717560500000000000000956eeb2f2632
          d7bd0b000000000000001b0ccb3136b063c5f4e6c1109926a8fb6bf0853b246cd400e666d46bda53fd4e
        log
          000000000000000d
          =
          1000000003000000000000000100000002000000000000000012788e9c689718d511dcf2010000047761697400
        log
          000000000000000e
          =
          4000000000000000000000000000000002000000000000000000fe8d9c689718d3373b2a0600000000000000956eeb2f2632
          d7bd0d000000000000000d38ffbf01c25a7d0a5647a0d0648e5611065c56cc6695061f20a59aadf44f25
        log
          000000000000000f
          =
          1100000003000000000000000200000002000000000000004054878e9c68971899bacfca016e756c6c
        log
          0000000000000010
          =
          40000000000000000000000000000000020000000000000000aea41d9f689718acb194f00700000000000000956eeb2f2632
          d7bd0f000000000000009b5c8da990c37bb4762847a5643c1ebceaef0d20b3e4a2f3acf59557d79fee0c
        log
          0000000000000011
          =
          0100000004000000000000000000000000000000000000008096968e9c689718b20973d6e47609386e939c01ac29af170200
          00800d70726f636573732d6f7264657201000400000000000000012b7d06386e939c01415fc391010000800301017b7d
        log
          0000000000000012
          =
          40000000000000000000000000000000020000000000000000aea41d9f6897181f842dab0800000000000000956eeb2f2632
          d7bd1100000000000000a890b4532ea3aa1a7b4420cf435fa5d9ed429a703ecd8e352c759f482984f0b7
        log
          0000000000000013
          =
          060000000400000000000000010000000200000000000000c0d8a58e9c68971888cf6208036f7073046c617465
        log
          0000000000000014
          =
          40000000000000000000000000000000020000000000000000aea41d9f689718a924e71c0900000000000000956eeb2f2632
          d7bd1300000000000000246e3e96b2d5cca40647fde5d4886a40e77743410d4fe14c3f035f0074b36900
        log
          0000000000000015
          =
          410000000000000000000000000000000100000000000000001bb58e9c6897185992b6f5046c6174650070c7402869971801
          046f6e63656e756c6c
        log
          0000000000000016
          =
          40000000000000000000000000000000020000000000000000aea41d9f689718bba866380a00000000000000956eeb2f2632
          d7bd150000000000000015f75988ae3e9dc040322427df5f1464063228ec0b8836da8d8fa75eb03033d5
        log
          0000000000000017
          =
          410000000000000000000000000000000100000000000000405dc48e9c6897188912a1bd046c6174650070c7402869971802
          03016e756c6c
        log
          0000000000000018
          =
          40000000000000000000000000000000020000000000000000aea41d9f689718e6871c340b00000000000000956eeb2f2632
          d7bd170000000000000037e31c71732bcaaa1e549e7557a5b03e81d2522aacb874105c7aa3ce8396b884
        blobs
          000000000000000300000000
          =
          65536 bytes
        blobs
          000000000000000300000001
          =
          4513 bytes
        runs
          0000000000000001
          =
          f6fc526a0600000000000000030000000000000001000000020101000000b97900386e939c016bcaeb850000008040420d8e
          9c689718c0c62b8e9c68971800010d70726f636573732d6f7264657201076f726465722d31000000
        runs
          0000000000000002
          =
          1642952c0800000000000000040000000000000002000000060001000000727301386e939c01d694d70b0100008080841c8e
          9c689718404b4a8e9c68971801404b4a8e9c68971801ac027777777777777777777777777777777777777777777777777777
          7777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777
          7777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777
          7777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777
          7777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777
          7777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777
          77777777777777777777777777777777777777777777777701016b00010145016d00
        runs
          0000000000000003
          =
          18c843990d000000000000000b00000000000000010000000100010000002b7d06386e939c01415fc39101000080c0cf688e
          9c6897180012788e9c68971800010d70726f636573732d6f7264657200000000
        runs
          0000000000000004
          =
          930c242a1300000000000000110000000000000001000000010001000000e47609386e939c01ac29af17020000808096968e
          9c689718c0d8a58e9c68971800010d70726f636573732d6f7264657200012b7d06386e939c01415fc391010000800001036f
          7073046c617465
        ids
          019c936e380079b98000000085ebca6b
          =
          0000000000000001
        ids
          019c936e38017372800000010bd794d6
          =
          0000000000000002
        ids
          019c936e38067d2b8000000191c35f41
          =
          0000000000000003
        ids
          019c936e380976e48000000217af29ac
          =
          0000000000000004
        keys
          0d70726f636573732d6f726465726f726465722d31
          =
          01000000000000000000
        keys
          ff77777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777
          7777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777
          7777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777
          7777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777
          77777777777777777777777777777777777777777777777767460a0f88beb83de7a92aff436cf0e12d46876e4731e8ee70b4
          a50a46ae5f196b
          =
          0200000000000000ac0277777777777777777777777777777777777777777777777777777777777777777777777777777777
          7777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777
          7777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777
          7777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777
          7777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777
          7777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777
          7777777777777777777700
        open
          0000000000000001
          =
        open
          0000000000000003
          =
        open
          0000000000000004
          =
        timers
          9897692840c7700000000000000000000000000000000009
          =
        timers
          9897692840c7700000000000000000000000000000000015
          =
        timers
          9897692840c7700000000000000000000000000000000017
          =
        timers
          9897692840c77000000000000000000100000001
          =
        signals
          01026f6b9897689c8e2bc6c0000000000000000100000001
          =
        signals
          02046c6174659897689c8e598d80
          =
          09000000000000000070c7402869971800
        signals
          02046c6174659897689c8eb51b00
          =
          15000000000000000070c7402869971800
        signals
          02046c6174659897689c8ec45d40
          =
          17000000000000000070c7402869971800
        signals
          030a343a6c6174656f6e6365
          =
          0000000000000000001bb58e9c68971800
        signals
          049897689c8eb51b000a343a6c6174656f6e6365
          =
        signals
          05000000000000000300000001
          =
          0000000000000000405dc48e9c68971800
        meta
          636865636b706f696e74
          =
          3c41bb3f10000000000000000100000003000000000000000f000000000000000b0000000000000002000000
        meta
          65706f6368
          =
          0100000000000000
        meta
          666f726d6174
          =
          535445504b49540003000000000000000000
        meta
          696e6361726e6174696f6e
          =
          956eeb2f2632d7bd
        """
}
