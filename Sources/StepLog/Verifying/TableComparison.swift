import StepEvents

/// Compares a derived table with what the log makes of it, a slice at a time.
enum TableComparison {
    private struct Entry {
        var key: [UInt8]
        var value: [UInt8]
    }

    /// Reports each key whose row is missing, different or without reason, from `start` on.
    ///
    /// At most `limit` stored rows are read, and all that is expected up to the last of them. Without `expected` the rows
    /// are read and nothing else.
    ///
    /// - Returns: where to go on; `nil` at the end of both.
    static func compare(
        _ table: TableName, from start: [UInt8], limit: Int, stored: any ReadTables, expected: (any ReadTables)?,
        report: (Finding) -> Void
    ) throws -> [UInt8]? {
        let from = start.isEmpty ? nil : start
        var found: [Entry] = []
        try stored.scan(table, from: from, reversed: false) { key, value in
            let key = [UInt8](key)
            if let last = found.last, compareBytes(last.key, key) >= 0 {
                throw TablesError(.damaged, "its keys are not in order")
            }
            found.append(Entry(key: key, value: [UInt8](value)))
            return found.count < limit
        }
        let last = found.count < limit ? nil : found.last?.key
        if let expected { try merge(table, found, expected, from, last, report) }
        return last.map(successor)
    }

    /// Compares rows with what is expected between two keys, the last of which is included.
    private static func merge(
        _ table: TableName, _ found: [Entry], _ expected: any ReadTables, _ from: [UInt8]?, _ last: [UInt8]?,
        _ report: (Finding) -> Void
    ) throws {
        var rows = found[...]
        try expected.scan(table, from: from, reversed: false) { key, value in
            let key = [UInt8](key)
            if let last, compareBytes(key, last) > 0 { return false }
            while let row = rows.first, compareBytes(row.key, key) < 0 {
                report(finding(table, row.key, "the row follows from nothing in the log"))
                rows.removeFirst()
            }
            if let row = rows.first, row.key == key {
                if !row.value.elementsEqual(value) {
                    report(finding(table, key, "the row differs from what the log says"))
                }
                rows.removeFirst()
            } else {
                report(finding(table, key, "the row is missing"))
            }
            return true
        }
        for row in rows { report(finding(table, row.key, "the row follows from nothing in the log")) }
    }

    private static func finding(_ table: TableName, _ key: [UInt8], _ what: String) -> Finding {
        var run: RunNumber?
        if table == .runs || table == .open, key.count == 8 {
            run = RunNumber(key.reduce(0) { $0 << 8 | UInt64($1) })
        }
        return Finding(.table, "\(what) (key \(hexadecimal(key)))", run: run, table: table)
    }

    /// The least key after this one: the same and a zero byte, but a key at its bound has nothing between.
    static func successor(_ key: [UInt8]) -> [UInt8] {
        if key.count < Limits.keyBytes { return key + [0] }
        var key = key
        while let last = key.popLast() {
            if last < 0xFF { return key + [last + 1] }
        }
        return key
    }
}

func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}
