import LMDB
import Testing

/// Mistakes of the caller are told by type, before LMDB sees anything of them.
@Suite struct MisuseTests {
    @Test func `keys are 1 to 511 bytes`() throws {
        try withEnvironment { environment, tables in
            let table = tables[0]
            let longest = [UInt8](repeating: 1, count: 511)
            let tooLong = longest + [1]
            try environment.write { transaction in
                try transaction.put(table, key: longest, value: [1])
                try transaction.put(table, key: [0], value: [2])
                #expect(throws: Misuse.emptyKey(operation: "put")) { try transaction.put(table, key: [], value: []) }
                let refusal = Misuse.keyTooLong(bytes: 512, limit: 511, operation: "put")
                #expect(throws: refusal) { try transaction.put(table, key: tooLong, value: []) }
                #expect(throws: refusal) {
                    try tooLong.withUnsafeBytes { try transaction.put(table, key: $0, valueCount: 1) { _ in } }
                }
                #expect(throws: Misuse.emptyKey(operation: "delete")) { try transaction.delete(table, key: []) }
                #expect(throws: Misuse.keyTooLong(bytes: 512, limit: 511, operation: "delete")) {
                    try transaction.delete(table, key: tooLong)
                }
            }
            // None of the refusals spoiled the transaction.
            try environment.read { transaction in
                #expect(try transaction.get(table, key: longest) == [1])
                #expect(throws: Misuse.emptyKey(operation: "get")) { try transaction.get(table, key: []) }
                #expect(throws: Misuse.keyTooLong(bytes: 512, limit: 511, operation: "get")) {
                    try transaction.get(table, key: tooLong)
                }
                let cursor = try transaction.cursor(table)
                #expect(throws: Misuse.emptyKey(operation: "seek")) { try cursor.seek(atOrAfter: []) }
                #expect(throws: Misuse.keyTooLong(bytes: 512, limit: 511, operation: "seek")) {
                    try cursor.seek(exactly: tooLong)
                }
            }
        }
    }

    @Test func `an ended transaction does nothing more`() throws {
        try withEnvironment { environment, tables in
            let table = tables[0]
            let transaction = try environment.beginWrite()
            try transaction.put(table, key: key(1), value: key(1))
            try transaction.commit()
            let calls: [(String, () throws -> Void)] = [
                ("get", { _ = try transaction.get(table, key: key(1)) }),
                ("put", { try transaction.put(table, key: key(1), value: key(1)) }),
                ("delete", { _ = try transaction.delete(table, key: key(1)) }),
                ("clear", { try transaction.clear(table) }),
                ("statistics", { _ = try transaction.statistics(table) }),
                ("open cursor", { _ = try transaction.cursor(table) }),
                ("open table", { _ = try transaction.table("b") }),
                ("commit", { try transaction.commit() }),
            ]
            for (operation, call) in calls {
                #expect(throws: Misuse.transactionEnded(operation: operation)) { try call() }
            }
            transaction.abort()
            transaction.end()
            var escaped: ReadTransaction?
            try environment.read { escaped = $0 }
            #expect(throws: Misuse.transactionEnded(operation: "get")) { try escaped?.get(table, key: key(1)) }
        }
    }

    @Test func `writing while a closure looks at bytes of the transaction is refused`() throws {
        try withEnvironment { environment, tables in
            let table = tables[0]
            try environment.write { try $0.put(table, key: key(1), value: bytes("one")) }
            let transaction = try environment.beginWrite()
            try transaction.withValue(table, key: key(1)) { value in
                #expect(throws: Misuse.valueBorrowed(operation: "put")) {
                    try transaction.put(table, key: key(2), value: key(2))
                }
                #expect(throws: Misuse.valueBorrowed(operation: "delete")) {
                    try transaction.delete(table, key: key(1))
                }
                #expect(throws: Misuse.valueBorrowed(operation: "commit")) { try transaction.commit() }
                #expect(value.elementsEqual(bytes("one")))
            }
            try transaction.forEach(table) { _, _ in
                #expect(throws: Misuse.valueBorrowed(operation: "clear")) { try transaction.clear(table) }
                return true
            }
            try transaction.put(table, key: key(2), value: key(2))
            try transaction.commit()
        }
    }

    @Test func `a table of another environment is refused`() throws {
        try withEnvironment { _, foreign in
            try withEnvironment { environment, tables in
                try environment.write { transaction in
                    #expect(throws: Misuse.foreignTable("a")) {
                        try transaction.put(foreign[0], key: key(1), value: key(1))
                    }
                    #expect(throws: Misuse.foreignTable("a")) { try transaction.cursor(foreign[0]) }
                    try transaction.put(tables[0], key: key(1), value: key(1))
                }
            }
        }
    }

    @Test func `a missing table is told by name, and too many tables too`() throws {
        try withEnvironment(options { $0.maxTables = 2 }) { environment, _ in
            do {
                _ = try environment.table("missing")
                Issue.record("the table must be missing")
            } catch let error as LMDBError {
                #expect(error.isNotFound)
                #expect(error.operation == "open table missing")
            }
            _ = try environment.table("b", create: true)
            do {
                _ = try environment.table("c", create: true)
                Issue.record("a third table must not fit")
            } catch let error as LMDBError {
                #expect(error.code == LMDBError.tablesFull)
            }
        }
    }

    @Test func `too many readers are told, and ended ones make room`() throws {
        try withEnvironment(options { $0.maxReaders = 4 }) { environment, tables in
            var snapshots = try (0..<4).map { _ in try environment.beginRead() }
            do {
                _ = try environment.beginRead()
                Issue.record("a fifth reader must not fit")
            } catch let error as LMDBError {
                #expect(error.isReadersFull)
            }
            // The write side needs no slot.
            try environment.write { try $0.put(tables[0], key: key(1), value: key(1)) }
            snapshots.removeLast().end()
            #expect(try environment.read { try $0.get(tables[0], key: key(1)) } == key(1))
            for snapshot in snapshots { snapshot.end() }
        }
    }

    @Test func `errors say what was done, where, and what it means`() {
        let error = LMDBError(code: LMDBError.mapFull, operation: "put", path: "/store")
        #expect(error.description.hasPrefix("put in /store: MDB_MAP_FULL"))
        #expect(LMDBError(code: 28, operation: "commit").isNoSpace)
        #expect(LMDBError(code: 28, operation: "commit").description == "commit: No space left on device (28)")
        #expect(LibraryVersion.loaded.description.hasPrefix("0.9."))
    }
}

@Suite struct BigEndianTests {
    @Test func `integers sort as their bytes do`() throws {
        let numbers: [UInt64] = [0, 1, 255, 256, 65_535, 65_536, 1 << 32, UInt64.max - 1, .max]
        let keys = numbers.map { BigEndian.bytes($0) }
        #expect(zip(keys, keys.dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) })
        #expect(keys.map { BigEndian.read(UInt64.self, from: $0) } == numbers)
        try withEnvironment { environment, tables in
            try environment.write { transaction in
                for key in keys.reversed() { try transaction.put(tables[0], key: key, value: key) }
            }
            var seen: [UInt64] = []
            try environment.read { transaction in
                try transaction.forEach(tables[0]) { key, _ in
                    seen.append(BigEndian.read(from: key) ?? 0)
                    return true
                }
            }
            #expect(seen == numbers)
        }
    }

    @Test func `parts of a key are read at their offset, and never past its end`() {
        var key: [UInt8] = []
        BigEndian.append(UInt16(0x0102), to: &key)
        BigEndian.append(UInt64(0x0304_0506_0708_090A), to: &key)
        BigEndian.append(UInt8(0x0B), to: &key)
        #expect(key == Array(1...11))
        #expect(BigEndian.read(UInt64.self, from: key, at: 2) == 0x0304_0506_0708_090A)
        #expect(BigEndian.read(UInt8.self, from: key, at: 10) == 11)
        #expect(BigEndian.read(UInt64.self, from: key, at: 4) == nil)
        #expect(BigEndian.read(UInt64.self, from: key, at: -1) == nil)
        #expect(BigEndian.read(UInt64.self, from: key, at: .max) == nil)
        #expect(BigEndian.read(UInt64.self, from: []) == nil)
        #expect(BigEndian.withKey(1, 2) { Array($0) } == BigEndian.bytes(UInt64(1)) + BigEndian.bytes(UInt64(2)))
    }
}
