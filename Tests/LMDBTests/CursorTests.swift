import LMDB
import Testing

@Suite struct CursorTests {
    private func filled(_ count: Int, _ body: (Environment, Table) throws -> Void) throws {
        try withEnvironment { environment, tables in
            try environment.write { transaction in
                for number in 0..<count {
                    try transaction.put(tables[0], key: key(number * 10), value: bytes("\(number)"), mode: .append)
                }
            }
            try body(environment, tables[0])
        }
    }

    @Test func `walks forwards and backwards`() throws {
        try filled(500) { environment, table in
            try environment.read { transaction in
                let cursor = try transaction.cursor(table)
                #expect(throws: Misuse.cursorUnpositioned) { try cursor.key }
                var seen: [[UInt8]] = []
                while try cursor.next() { seen.append(try cursor.key) }
                #expect(seen == (0..<500).map { key($0 * 10) })
                #expect(try !cursor.next())
                #expect(try cursor.seekLast())
                #expect(try cursor.value == bytes("499"))
                var back = 1
                while try cursor.previous() { back += 1 }
                #expect(back == 500)
                #expect(try !cursor.previous())
            }
        }
    }

    @Test func `seeks at, after and before a key`() throws {
        try filled(3) { environment, table in
            try environment.read { transaction in
                let cursor = try transaction.cursor(table)
                #expect(try cursor.seek(atOrAfter: key(10)))
                #expect(try cursor.key == key(10))
                #expect(try cursor.seek(atOrAfter: key(11)))
                #expect(try cursor.key == key(20))
                #expect(try !cursor.seek(atOrAfter: key(21)))
                #expect(try cursor.seek(before: key(10)))
                #expect(try cursor.key == key(0))
                #expect(try cursor.seek(before: key(99)))
                #expect(try cursor.key == key(20))
                #expect(try !cursor.seek(before: key(0)))
                #expect(try cursor.seek(exactly: key(20)))
                #expect(try !cursor.seek(exactly: key(15)))
            }
        }
    }

    @Test func `an empty table has no entry to stand on`() throws {
        try filled(0) { environment, table in
            try environment.read { transaction in
                let cursor = try transaction.cursor(table)
                #expect(try !cursor.first())
                #expect(try !cursor.seekLast())
                #expect(try !cursor.next())
            }
        }
    }

    @Test func `forEach stops when told to and starts where told to`() throws {
        try filled(10) { environment, table in
            try environment.read { transaction in
                var seen: [UInt64] = []
                try transaction.forEach(table, from: key(35)) { key, _ in
                    seen.append(BigEndian.read(from: key) ?? 0)
                    return seen.count < 3
                }
                #expect(seen == [40, 50, 60])
                var all = 0
                try transaction.forEach(table) { _, _ in
                    all += 1
                    return true
                }
                #expect(all == 10)
            }
        }
    }

    @Test func `writes under a cursor do not lead it astray`() throws {
        try filled(2_000) { environment, table in
            try environment.write { transaction in
                let cursor = try transaction.cursor(table)
                var seen = 0
                while try cursor.next() {
                    let current = try cursor.key
                    seen += 1
                    // Every second entry goes; at each a new one is put right behind, which the walk must meet.
                    let number: UInt64 = try #require(BigEndian.read(from: current))
                    if number % 20 == 0 { #expect(try transaction.delete(table, key: current)) }
                    if number % 10 == 0 { try transaction.put(table, key: key(Int(number) + 5), value: bytes("new")) }
                }
                #expect(seen == 4_000)
                #expect(try transaction.statistics(table).entries == 3_000)
                var back = 0
                #expect(try cursor.seekLast())
                repeat {
                    back += 1
                    #expect(try transaction.delete(table, key: cursor.key))
                    #expect(throws: Misuse.cursorUnpositioned) { try cursor.key }
                } while try cursor.previous()
                #expect(back == 3_000)
            }
        }
    }

    @Test func `a cursor outlives its transaction harmlessly`() throws {
        try filled(3) { environment, table in
            var kept: [Cursor] = []
            try environment.read { kept.append(try $0.cursor(table)) }
            try environment.write { kept.append(try $0.cursor(table)) }
            for cursor in kept {
                #expect(throws: Misuse.transactionEnded(operation: "move cursor")) { try cursor.next() }
            }
            kept = []
        }
    }
}
