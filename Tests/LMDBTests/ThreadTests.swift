import Glibc
import LMDB
import Synchronization
import Testing

/// Which thread may do what, and what waits for whom.
@Suite struct ThreadTests {
    @Test func `a snapshot begun on one thread goes on and ends on another`() throws {
        try withEnvironment { environment, tables in
            try environment.write { try $0.put(tables[0], key: key(1), value: bytes("one")) }
            let read = Recorder<[UInt8]?>()
            // Two at once on one thread: with slots tied to threads LMDB would refuse the second.
            let handed = Handed([try environment.beginRead(), try environment.beginRead()])
            let thread = TestThread { [table = tables[0]] in
                for snapshot in handed.transactions {
                    read.append((try? snapshot.get(table, key: key(1))) ?? nil)
                    snapshot.end()
                }
            }
            thread.join()
            #expect(read.values == [bytes("one"), bytes("one")])
            // Their slots serve the next readers.
            let used = try environment.info.readersInUse
            for _ in 0..<100 { try environment.read { _ = try $0.get(tables[0], key: key(1)) } }
            #expect(try environment.info.readersInUse == used)
            // Between reads the slots stay, idle, so that the next reader takes no lock for one.
            let idle = try environment.readers()
            #expect(idle.count == 2)
            #expect(idle.allSatisfy { $0 == .init(processID: getpid(), transactionID: nil) })
        }
    }

    @Test func `bytes copied out stay when the snapshot has ended and the pages were reused`() throws {
        try withEnvironment { environment, tables in
            try environment.write { try $0.put(tables[0], key: key(1), value: Array(repeating: 1, count: 3_000)) }
            let copied = try environment.read { try $0.get(tables[0], key: key(1)) }
            for round in 2..<50 {
                try environment.write {
                    try $0.put(tables[0], key: key(1), value: Array(repeating: UInt8(round), count: 3_000))
                }
            }
            #expect(copied == Array(repeating: 1, count: 3_000))
        }
    }

    @Test func `a write transaction ends on its own thread only`() throws {
        try withEnvironment { environment, tables in
            let transaction = try environment.beginWrite()
            try transaction.put(tables[0], key: key(1), value: key(1))
            let handed = Handed([transaction])
            let errors = Recorder<Misuse?>()
            let thread = TestThread {
                do {
                    for case let transaction as WriteTransaction in handed.transactions {
                        transaction.abort()
                        try transaction.commit()
                    }
                } catch {
                    errors.append(error as? Misuse)
                }
            }
            thread.join()
            #expect(errors.values == [.wrongThread(operation: "commit")])
            try transaction.commit()
            #expect(try environment.read { try $0.get(tables[0], key: key(1)) } == key(1))
        }
    }

    @Test func `a second write transaction on the same thread is refused instead of waiting for itself`() throws {
        try withEnvironment { environment, tables in
            let transaction = try environment.beginWrite()
            #expect(throws: Misuse.transactionOpenOnThread(operation: "begin write")) { try environment.beginWrite() }
            try transaction.put(tables[0], key: key(1), value: key(1))
            try transaction.commit()
        }
    }

    @Test func `writers on many threads take turns`() throws {
        try withEnvironment { environment, tables in
            let table = tables[0]
            try environment.write { try $0.put(table, key: key(0), value: BigEndian.bytes(UInt64(0))) }
            let failures = Recorder<String>()
            let threads = (0..<4).map { _ in
                TestThread {
                    do {
                        for _ in 0..<50 {
                            try environment.write { transaction in
                                let old = try transaction.get(table, key: key(0)).flatMap {
                                    BigEndian.read(UInt64.self, from: $0)
                                }
                                try transaction.put(table, key: key(0), value: BigEndian.bytes((old ?? 0) + 1))
                            }
                        }
                    } catch {
                        failures.append("\(error)")
                    }
                }
            }
            for thread in threads { thread.join() }
            #expect(failures.values == [])
            #expect(try environment.read { try $0.get(table, key: key(0)) } == key(200))
        }
    }

    @Test func `growing waits for the snapshots of other threads, and readers go on meanwhile and after`() throws {
        try withEnvironment(options(mapSize: 1 << 20)) { environment, tables in
            let table = tables[0]
            try environment.write { try $0.put(table, key: key(1), value: bytes("one")) }
            let grown = Atomic<Bool>(false)
            let failures = Recorder<String>()
            let thread = try environment.read { transaction in
                let thread = TestThread {
                    do { try environment.grow(to: 16 << 20) } catch { failures.append("\(error)") }
                    grown.store(true, ordering: .sequentiallyConsistent)
                }
                try transaction.withValue(table, key: key(1)) { value in
                    for _ in 0..<1_000 {
                        sched_yield()
                        // A read inside a read must not wait for the growing, which waits for this thread.
                        let nested = try environment.read { try $0.get(table, key: key(1)) }
                        #expect(nested == bytes("one"))
                        #expect(value.elementsEqual(bytes("one")))
                    }
                    let early = grown.load(ordering: .sequentiallyConsistent)
                    #expect(!early)
                }
                return thread
            }
            thread.join()
            #expect(failures.values == [])
            #expect(try environment.info.mapSize == 16 << 20)
            try environment.write { try $0.put(table, key: key(2), value: Array(repeating: 1, count: 4 << 20)) }
            #expect(try environment.read { try $0.get(table, key: key(1)) } == bytes("one"))
        }
    }

    @Test func `readers on many threads and a growing map`() throws {
        try withEnvironment(options(mapSize: 1 << 20)) { environment, tables in
            let table = tables[0]
            try environment.write { try $0.put(table, key: key(1), value: bytes("one")) }
            let stop = Atomic<Bool>(false)
            let failures = Recorder<String>()
            let threads = (0..<3).map { _ in
                TestThread {
                    while !stop.load(ordering: .relaxed) {
                        do {
                            let value = try environment.read { try $0.get(table, key: key(1)) }
                            if value != bytes("one") { failures.append("wrong value") }
                        } catch {
                            failures.append("\(error)")
                        }
                    }
                }
            }
            for step in 2...40 {
                try environment.grow(to: step << 20)
                try environment.write { try $0.put(table, key: key(step), value: key(step)) }
            }
            stop.store(true, ordering: .relaxed)
            for thread in threads { thread.join() }
            #expect(failures.values == [])
            #expect(try environment.info.mapSize == 40 << 20)
        }
    }

    @Test func `closing waits for the snapshots of other threads and refuses new ones`() throws {
        let directory = try TemporaryDirectory()
        let environment = try Environment.create(directory: directory.store, options: options()) {
            try $0.put($0.table("a"), key: key(1), value: bytes("one"))
        }
        let table = try environment.table("a")
        let handed = Handed([try environment.beginRead()])
        // Closing on the thread that has a snapshot open can't wait for it: the last one to end closes.
        environment.close()
        #expect(throws: Misuse.environmentClosed(path: directory.store)) { try environment.read { _ in } }
        #expect(throws: OpenRefusal.alreadyOpenInProcess(path: directory.store)) {
            try Environment.open(directory: directory.store, options: options())
        }
        #expect(try handed.transactions[0].get(table, key: key(1)) == bytes("one"))
        handed.transactions[0].end()
        let again = try Environment.open(directory: directory.store, options: options())

        let other = Handed([try again.beginRead()])
        let closer = TestThread { again.close() }
        // While the snapshot is open, the file stays claimed.
        #expect(throws: OpenRefusal.alreadyOpenInProcess(path: directory.store)) {
            try Environment.open(directory: directory.store, options: options())
        }
        other.transactions[0].end()
        closer.join()
        try Environment.open(directory: directory.store, options: options()).close()
    }

    @Test func `what was closed beside readers can be opened at once`() throws {
        let directory = try TemporaryDirectory()
        try Environment.create(directory: directory.store, options: options()) { _ in }.close()
        for _ in 0..<200 {
            let environment = try Environment.open(directory: directory.store, options: options())
            let began = Atomic<Bool>(false)
            let reader = TestThread {
                // Until it is closed; mostly the reader is the last to leave, and so the one that closes.
                while (try? environment.read({ _ in began.store(true, ordering: .releasing) })) != nil {}
            }
            while !began.load(ordering: .acquiring) { sched_yield() }
            environment.close()
            try Environment.open(directory: directory.store, options: options()).close()
            reader.join()
        }
    }
}

/// Transactions handed from thread to thread, never used by two at once: the test joins in between.
private final class Handed: @unchecked Sendable {
    // Written once, before it is handed over.
    let transactions: [ReadTransaction]

    init(_ transactions: [ReadTransaction]) { self.transactions = transactions }
}
