import Glibc
import LMDB
import Testing

@Suite struct TransactionTests {
    @Test func `what was committed is read back, also after opening again`() throws {
        let directory = try TemporaryDirectory()
        try withEnvironment(in: directory) { environment, tables in
            let before = try environment.info.lastTransactionID
            let transaction = try environment.beginWrite()
            #expect(transaction.id == before + 1)
            try transaction.put(tables[0], key: bytes("k"), value: bytes("v"))
            #expect(try transaction.get(tables[0], key: bytes("k")) == bytes("v"))
            try transaction.commit()
            #expect(try environment.info.lastTransactionID == before + 1)
            #expect(try environment.read { try $0.get(tables[0], key: bytes("k")) } == bytes("v"))
        }
        let environment = try Environment.open(directory: directory.store, options: options())
        defer { environment.close() }
        let table = try environment.table("a")
        #expect(try environment.read { try $0.get(table, key: bytes("k")) } == bytes("v"))
        #expect(try environment.read { try $0.get(table, key: bytes("other")) } == nil)
    }

    @Test func `an aborted transaction leaves nothing`() throws {
        try withEnvironment { environment, tables in
            let transaction = try environment.beginWrite()
            try transaction.put(tables[0], key: bytes("k"), value: bytes("v"))
            transaction.abort()
            transaction.abort()
            #expect(try environment.read { try $0.get(tables[0], key: bytes("k")) } == nil)

            var abandoned: WriteTransaction? = try environment.beginWrite()
            try abandoned?.put(tables[0], key: bytes("k"), value: bytes("v"))
            abandoned = nil
            #expect(try environment.read { try $0.get(tables[0], key: bytes("k")) } == nil)
            try environment.write { try $0.put(tables[0], key: bytes("k"), value: bytes("w")) }
        }
    }

    @Test func `a snapshot does not see later commits`() throws {
        try withEnvironment { environment, tables in
            try environment.write { try $0.put(tables[0], key: key(1), value: bytes("old")) }
            let snapshot = try environment.beginRead()
            try environment.write { try $0.put(tables[0], key: key(1), value: bytes("new")) }
            #expect(try snapshot.get(tables[0], key: key(1)) == bytes("old"))
            snapshot.end()
            #expect(throws: Misuse.transactionEnded(operation: "get")) { try snapshot.get(tables[0], key: key(1)) }
            #expect(try environment.read { try $0.get(tables[0], key: key(1)) } == bytes("new"))
        }
    }

    @Test func `put modes keep their promises`() throws {
        try withEnvironment { environment, tables in
            let table = tables[0]
            try environment.write { transaction in
                try transaction.put(table, key: key(5), value: bytes("five"), mode: .append)
                #expect(throws: LMDBError.self) {
                    try transaction.put(table, key: key(5), value: bytes("x"), mode: .noOverwrite)
                }
            }
            let transaction = try environment.beginWrite()
            do {
                try transaction.put(table, key: key(4), value: bytes("x"), mode: .append)
                Issue.record("an append before the last key must fail")
            } catch let error as LMDBError {
                #expect(error.isKeyExists)
                #expect(error.operation == "put")
            }
            transaction.abort()
            try environment.write { try $0.put(table, key: key(5), value: bytes("5"), mode: .overwrite) }
            #expect(try environment.read { try $0.get(table, key: key(5)) } == bytes("5"))
        }
    }

    @Test func `values of any size up to 8 MiB are written in place and read back`() throws {
        try withEnvironment { environment, tables in
            let sizes = [0, 1, 100, 2_037, 2_038, 4_096, 65_536, 1 << 20, 8 << 20]
            try environment.write { transaction in
                for (index, size) in sizes.enumerated() {
                    try BigEndian.withKey(UInt64(index)) { key in
                        try transaction.put(tables[0], key: key, valueCount: size, mode: .append) { room in
                            #expect(room.count == size)
                            for position in room.indices { room[position] = UInt8(truncatingIfNeeded: position &* 31) }
                        }
                    }
                }
            }
            try environment.read { transaction in
                for (index, size) in sizes.enumerated() {
                    let value = try #require(try transaction.get(tables[0], key: key(index)))
                    #expect(value.count == size)
                    #expect(value.enumerated().allSatisfy { $1 == UInt8(truncatingIfNeeded: $0 &* 31) })
                }
                #expect(try transaction.statistics(tables[0]).entries == sizes.count)
                #expect(try transaction.statistics(tables[0]).overflowPages > (9 << 20) / 4_096)
            }
        }
    }

    @Test func `a filling closure that throws dooms the transaction`() throws {
        struct Halfway: Error {}
        try withEnvironment { environment, tables in
            let transaction = try environment.beginWrite()
            #expect(throws: Halfway.self) {
                try key(1).withUnsafeBytes { key in
                    try transaction.put(tables[0], key: key, valueCount: 4) { _ in throw Halfway() }
                }
            }
            #expect(throws: Misuse.transactionFailed) { try transaction.commit() }
            transaction.abort()
            #expect(try environment.read { try $0.get(tables[0], key: key(1)) } == nil)
        }
    }

    @Test func `deleting and clearing`() throws {
        try withEnvironment(tables: ["a", "b"]) { environment, tables in
            try environment.write { transaction in
                for number in 0..<1_000 { try transaction.put(tables[0], key: key(number), value: key(number)) }
                try transaction.put(tables[1], key: key(1), value: [])
            }
            try environment.write { transaction in
                #expect(try transaction.delete(tables[0], key: key(7)))
                #expect(try !transaction.delete(tables[0], key: key(7)))
                #expect(try transaction.statistics(tables[0]).entries == 999)
                try transaction.clear(tables[0])
                #expect(try transaction.statistics(tables[0]).entries == 0)
            }
            #expect(try environment.read { try $0.get(tables[1], key: key(1)) } == [])
        }
    }
}
