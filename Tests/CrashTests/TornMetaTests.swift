import CrashWorkload
import Foundation
import StepLog
import TestSupport
import Testing

extension CrashTests {
    /// Power that fails in the middle of the one write that makes a commit count, on a disk whose sectors tear.
    @Suite struct TornMetaTests {
        private static let pageBytes = 4_096

        @Test("A torn meta page leaves the commit or the one before, or is refused; never an older state")
        func tornAnywhere() throws {
            let place = try TemporaryDirectory("stepkit-torn", inMemory: true)
            let states = try Self.states()
            let (before, after) = (states.before, states.after)
            let metas = [0, Self.pageBytes].map { $0..<$0 + Self.pageBytes }
            let written = metas.filter { before[$0] != after[$0] }
            let page = try #require(written.count == 1 ? written[0] : nil)
            let differing = page.filter { before[$0] != after[$0] }
            // Every prefix of the write, every one of its bytes alone, every one of them missing.
            let tears =
                differing.map { end in differing.filter { $0 < end } } + differing.map { [$0] }
                + differing.map { one in differing.filter { $0 != one } } + [differing]
            var outcomes: [String: Int] = [:]
            for (number, written) in tears.enumerated() {
                var torn = after
                torn.replaceSubrange(page, with: before[page])
                for index in written { torn[index] = after[index] }
                let store = place.appending("store-\(number)")
                try FileManager.default.createDirectory(
                    atPath: store, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
                for (name, bytes) in [("data.mdb", torn), ("witness", states.witness)] {
                    try bytes.write(to: URL(fileURLWithPath: "\(store)/\(name)"))
                    chmod("\(store)/\(name)", 0o600)
                }
                outcomes[try Self.outcome(store, states.records), default: 0] += 1
            }
            print("torn meta page: \(tears.count) tears, \(outcomes.sorted { $0.key < $1.key })")
            // The whole write, none of it, one that only the fence notices, and one whose numbers contradict the pages.
            #expect(Set(outcomes.keys) == ["the commit", "the one before", "tornCommit", "damaged"])
        }

        /// A store's files before and after one commit; the witness is as old as it may be.
        private static func states() throws -> (before: Data, after: Data, witness: Data, records: Int) {
            let test = try TestStore(.lmdb)
            defer { test.store.close() }
            let file = { (name: String) in URL(fileURLWithPath: "\(test.directory)/\(name)") }
            var script = RunScript()
            for _ in 0..<5 { try test.commit(try script.start().command) }
            let witness = try Data(contentsOf: file("witness"))
            let before = try Data(contentsOf: file("data.mdb"))
            let records = try test.store.verify().records
            try test.commit(try script.start().command)
            var after = try Data(contentsOf: file("data.mdb"))
            let grown = max(before.count, after.count)
            after.append(Data(count: grown - after.count))
            return (before, after, witness, records)
        }

        /// What a new process makes of the files. Opening adds one record; the commit in question has two.
        private static func outcome(_ store: String, _ records: Int) throws -> String {
            var orders = WorkerOrders(store: store, plans: [])
            orders.verifies = true
            let life = try WorkerProcess.live(orders)
            for mark in life.marks {
                switch mark {
                case .verified(let found) where found == records + 1: return "the one before"
                case .verified(let found) where found == records + 3: return "the commit"
                case .verified(let found): return "\(found - records - 1) records away from the one before"
                case .failed(let code, _, _): return code
                default: continue
                }
            }
            return "\(life.end), \(life.marks)"
        }
    }
}
