import Glibc
import LMDB
import Testing

/// A file shorter than its meta page says is refused before anything maps it, because reading what is missing would
/// be a bus error. It runs in a process of its own, so that one would fail the test instead of ending all of them.
@Suite struct TruncationTests {
    @Test func `a file cut at any page is refused, or all that is missing is free`() async throws {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            try withEnvironment(in: directory) { environment, tables in
                for round in 0..<5 {
                    try environment.write { transaction in
                        for number in 0..<300 {
                            try transaction.put(
                                tables[0], key: key(number), value: Array(repeating: UInt8(round), count: 300))
                        }
                    }
                }
            }
            let content = try RawFile.read(directory.data)
            var refused = 0
            for pages in 0..<content.count / Environment.machinePageSize {
                for extra in [0, 1, 2_048] {
                    let size = pages * Environment.machinePageSize + extra
                    try RawFile.write(Array(content.prefix(size)), to: directory.data)
                    do {
                        let environment = try Environment.open(directory: directory.store, options: options())
                        let table = try environment.table("a")
                        var entries = 0
                        try environment.read { transaction in
                            try transaction.forEach(table) { _, value in
                                entries += value.allSatisfy { $0 == 4 } ? 1 : 0
                                return true
                            }
                        }
                        #expect(entries == 300, "cut to \(size) bytes")
                        environment.close()
                    } catch let refusal as OpenRefusal {
                        refused += 1
                        if size >= 3 * Environment.machinePageSize {
                            guard case .fileShorterThanMeta(_, let expected, size) = refusal else {
                                Issue.record("cut to \(size) bytes: \(refusal)")
                                continue
                            }
                            #expect(expected <= content.count)
                        }
                    }
                }
            }
            #expect(refused > content.count / Environment.machinePageSize)
            try RawFile.write(content, to: directory.data)
            try Environment.open(directory: directory.store, options: options()).close()
        }
    }

    @Test func `a sound file that ends before its last page opens`() throws {
        let directory = try TemporaryDirectory()
        let meanwhile = directory.path + "/copy"
        var shorter = 0
        try withEnvironment(in: directory) { environment, tables in
            // A large value that comes and goes in one transaction takes pages at the end that are never written.
            for round in 0..<20 {
                try environment.write { transaction in
                    for number in 0..<3 {
                        try transaction.put(tables[0], key: key(round * 3 + number), value: key(round))
                    }
                    try transaction.put(
                        tables[0], key: key(99_999), value: Array(repeating: 1, count: 300_000 + round * 5_000))
                    #expect(try transaction.delete(tables[0], key: key(99_999)))
                }
                guard try environment.info.usedBytes > RawFile.size(directory.data) else { continue }
                shorter += 1
                // LMDB keeps no lock on the data file, so a copy may be taken here while nothing writes.
                let content = try RawFile.read(directory.data)
                if round == 10 {
                    #expect(mkdir(meanwhile, 0o700) == 0)
                    try RawFile.write(content, to: meanwhile + "/data.mdb")
                }
            }
        }
        #expect(shorter > 0)
        let copy = try Environment.open(directory: meanwhile, options: options())
        defer { copy.close() }
        #expect(try copy.info.usedBytes > RawFile.size(meanwhile + "/data.mdb"))
        let table = try copy.table("a")
        #expect(try copy.read { try $0.statistics(table).entries } == 33)
        try copy.write { transaction in
            for number in 0..<2_000 { try transaction.put(table, key: key(number), value: key(number)) }
        }
        #expect(try copy.pageAccount()?.isBalanced == true)
    }

    @Test(arguments: 1...4)
    func `meta pages of random bytes never lead to a signal`(seed: UInt64) async throws {
        await #expect(processExitsWith: .success) { [seed] in
            let directory = try TemporaryDirectory()
            try withEnvironment(in: directory) { environment, tables in
                try environment.write { try $0.put(tables[0], key: key(1), value: key(1)) }
            }
            let content = try RawFile.read(directory.data)
            var random = Xorshift(seed: seed)
            for _ in 0..<400 {
                var damaged = content
                for _ in 0...random.next() % 3 {
                    let page = Int(random.next() % 2) * Environment.machinePageSize
                    damaged[page + Int(random.next() % 152)] = UInt8(truncatingIfNeeded: random.next())
                }
                try RawFile.write(damaged, to: directory.data)
                do {
                    try Environment.open(directory: directory.store, options: options()).close()
                } catch is OpenRefusal {
                } catch let error as LMDBError {
                    #expect(error.isOutOfMemory || error.code == LMDBError.invalid, "\(error)")
                }
            }
        }
    }
}

/// Reproducible numbers from a seed.
struct Xorshift {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}
