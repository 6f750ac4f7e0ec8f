import StepEvents

/// Compares a derived table with what the log makes of it.
enum TableComparison {
    private struct Entry {
        var key: [UInt8]
        var value: [UInt8]
    }

    /// Reads a slice at a time, so that neither table is in memory as a whole.
    private static let slice = 1_000

    /// Reports each key whose row is missing, different or without reason.
    static func compare(
        _ table: TableName, stored: any ReadTables, expected: any ReadTables, report: (Finding) -> Void
    ) throws {
        var left = Reader(table, stored)
        var right = Reader(table, expected)
        while true {
            switch (try left.current(), try right.current()) {
            case (nil, nil): return
            case (let found?, nil):
                report(finding(table, found.key, "the row follows from nothing in the log"))
                left.advance()
            case (nil, let wanted?):
                report(finding(table, wanted.key, "the row is missing"))
                right.advance()
            case (let found?, let wanted?):
                let order = compareBytes(found.key, wanted.key)
                if order < 0 { report(finding(table, found.key, "the row follows from nothing in the log")) }
                if order > 0 { report(finding(table, wanted.key, "the row is missing")) }
                if order == 0, found.value != wanted.value {
                    report(finding(table, found.key, "the row differs from what the log says"))
                }
                if order <= 0 { left.advance() }
                if order >= 0 { right.advance() }
            }
        }
    }

    private static func finding(_ table: TableName, _ key: [UInt8], _ what: String) -> Finding {
        var run: RunNumber?
        if table == .runs || table == .open, key.count == 8 {
            run = RunNumber(key.reduce(0) { $0 << 8 | UInt64($1) })
        }
        return Finding(.table, "\(what) (key \(hexadecimal(key)))", run: run, table: table)
    }

    private struct Reader {
        private let table: TableName
        private let tables: any ReadTables
        private var entries: [Entry] = []
        private var index = 0
        private var next: [UInt8]? = []

        init(_ table: TableName, _ tables: any ReadTables) {
            self.table = table
            self.tables = tables
        }

        mutating func advance() { index += 1 }

        mutating func current() throws -> Entry? {
            if index < entries.count { return entries[index] }
            guard let start = next else { return nil }
            entries = []
            index = 0
            var found: [Entry] = []
            try tables.scan(table, from: start.isEmpty ? nil : start, reversed: false) { key, value in
                found.append(Entry(key: [UInt8](key), value: [UInt8](value)))
                return found.count < TableComparison.slice
            }
            entries = found
            // The least key after the last one is that key and a zero byte; a key at its bound has nothing between.
            next = found.count < TableComparison.slice ? nil : found.last.map { successor($0.key) }
            return entries.first
        }

        private func successor(_ key: [UInt8]) -> [UInt8] {
            if key.count < Limits.keyBytes { return key + [0] }
            var key = key
            while let last = key.popLast() {
                if last < 0xFF { return key + [last + 1] }
            }
            return key
        }
    }
}

func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}
