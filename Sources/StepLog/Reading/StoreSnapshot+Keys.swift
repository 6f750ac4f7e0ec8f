import StepEvents

extension StoreSnapshot {
    /// The runs that have this key, one for each workflow at most, in the order of the workflows' ids.
    ///
    /// It takes one look-up a workflow, however many runs there are.
    package func runs(withKey key: String) throws(StoreError) -> [RunRow] {
        var rows: [RunRow] = []
        for workflow in try workflowsWithKeys() {
            if let row = try run(workflow: workflow, key: key) { rows.append(row) }
        }
        return rows
    }

    /// The workflows that have runs with a key.
    private func workflowsWithKeys() throws(StoreError) -> [String] {
        try asStoreError(path) {
            var workflows: [String] = []
            var start: [UInt8]? = []
            while let from = start {
                start = nil
                try tables.scan(.keys, from: from.isEmpty ? nil : from, reversed: false) { key, value in
                    guard let length = key.first, key.count > Int(length), let keyed = KeyedRun([UInt8](value)) else {
                        throw StoreError(.damaged, "a row of \(key.count) bytes can't be decoded", table: .keys)
                    }
                    let prefix = Array(key.prefix(1 + Int(length)))
                    workflows.append(
                        keyed.workflow.isEmpty ? String(decoding: prefix.dropFirst(), as: UTF8.self) : keyed.workflow)
                    start = Self.afterAll(with: prefix)
                    return false
                }
            }
            return workflows
        }
    }

    /// The least key that comes after all that begin with `prefix`.
    private static func afterAll(with prefix: [UInt8]) -> [UInt8]? {
        var key = prefix
        while let last = key.popLast() {
            if last < 0xFF { return key + [last + 1] }
        }
        return nil
    }
}
