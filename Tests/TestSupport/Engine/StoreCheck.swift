import StepEvents
import StepLog

/// What a store's rows say and its histories don't, or the other way round.
package struct UnsoundEngineStore: Error { package let reason: String }

extension EventStore {
    func verify() throws {
        let rows = try read { try $0.runs(after: .store, limit: .max) }
        for row in rows {
            var expected = RunRow(try RunState(history: try history(of: row.number).map(\.event)))
            (expected.head, expected.headSequence, expected.first) = (row.head, row.headSequence, row.first)
            expected.updatedAt = row.updatedAt
            guard expected == row else { throw UnsoundEngineStore(reason: "row \(row), history \(expected)") }
        }
        let open = try read { try $0.openRuns() }
        let expected = rows.filter { !$0.status.isFinal }.map(\.number)
        guard open == expected else { throw UnsoundEngineStore(reason: "open \(open), by their rows \(expected)") }
    }
}
