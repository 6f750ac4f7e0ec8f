import Glibc
import LMDB
import Testing

/// An environment comes into being whole or not at all.
@Suite struct CreationTests {
    @Test func `directory and files are for the owner alone, whatever the umask`() async throws {
        await #expect(processExitsWith: .success) {
            for mask in [0o000, 0o022, 0o077] {
                umask(mode_t(mask))
                let directory = try TemporaryDirectory()
                try withEnvironment(in: directory) { _, _ in
                    #expect(RawFile.mode(directory.store) == 0o700)
                    #expect(RawFile.mode(directory.data) == 0o600)
                    #expect(RawFile.mode(directory.lock) == 0o600)
                }
            }
        }
    }

    @Test func `what initialise writes is the first commit`() throws {
        let directory = try TemporaryDirectory()
        let created = try Environment.create(directory: directory.store, options: options()) { transaction in
            let table = try transaction.table("first")
            try transaction.put(table, key: key(1), value: bytes("one"))
            #expect(transaction.id == 1)
        }
        defer { created.close() }
        #expect(try created.info.lastTransactionID == 1)
        let table = try created.table("first")
        #expect(try created.read { try $0.get(table, key: key(1)) } == bytes("one"))
        #expect(TemporaryDirectory.names(in: directory.store) == ["data.mdb", "lock.mdb"])
        #expect(try Environment.exists(directory: directory.store))
        #expect(throws: OpenRefusal.alreadyExists(path: directory.store)) {
            try Environment.create(directory: directory.store, options: options()) { _ in }
        }
    }

    @Test func `other files in the directory stay, and a failing initialise leaves only them`() throws {
        struct Refused: Error {}
        let directory = try TemporaryDirectory()
        #expect(mkdir(directory.store, 0o700) == 0)
        try RawFile.write(bytes("mine"), to: directory.store + "/other")
        #expect(throws: Refused.self) {
            try Environment.create(directory: directory.store, options: options()) { _ in throw Refused() }
        }
        #expect(TemporaryDirectory.names(in: directory.store) == ["other"])
        #expect(try !Environment.exists(directory: directory.store))
        try withEnvironment(in: directory) { _, _ in }
        #expect(try RawFile.read(directory.store + "/other") == bytes("mine"))
    }

    @Test func `a failure of the disk during creation leaves nothing`() throws {
        for call in [LMDBFaults.Call.openEnvironment, .beginWrite, .openTable, .put, .commit, .sync] {
            let directory = try TemporaryDirectory()
            let faults = LMDBFaults()
            faults.fail(call, at: 1, with: EIO)
            do {
                try Environment.create(directory: directory.store, options: options { $0.faults = faults }) {
                    try $0.put($0.table("a"), key: key(1), value: key(1))
                }.close()
                Issue.record("\(call) must fail")
            } catch let error as LMDBError {
                #expect(error.isEIO)
            }
            #expect(TemporaryDirectory.names(in: directory.store).isEmpty, "\(call)")
            try withEnvironment(in: directory) { _, _ in }
        }
    }

    @Test(arguments: [LMDBFaults.Call.openEnvironment, .beginWrite, .openTable, .put, .commit, .sync])
    func `a process killed during creation leaves nothing or all of it`(call: LMDBFaults.Call) async throws {
        let directory = try TemporaryDirectory()
        var complete = 0
        // Creation makes these calls once before the rename and opens the environment again after it.
        for number in 1...(call == .openEnvironment ? 2 : 1) {
            await #expect(processExitsWith: .signal(SIGKILL)) {
                [store = directory.store as String, name = call.rawValue as String, number = number as Int] in
                let faults = LMDBFaults { met, count in
                    if met.rawValue == name, count == number { kill(getpid(), SIGKILL) }
                }
                _ = try Environment.create(directory: store, options: options { $0.faults = faults }) {
                    try $0.put($0.table("a"), key: key(1), value: key(1))
                }
            }
            if try Environment.exists(directory: directory.store) {
                complete += 1
                let environment = try Environment.open(directory: directory.store, options: options())
                let table = try environment.table("a")
                #expect(try environment.read { try $0.get(table, key: key(1)) } == key(1))
                environment.close()
                #expect(TemporaryDirectory.names(in: directory.store) == ["data.mdb", "lock.mdb"])
            } else {
                #expect(TemporaryDirectory.names(in: directory.store).count == 1, "what was begun")
            }
        }
        if call == .openEnvironment {
            #expect(complete == 1)
        } else {
            try withEnvironment(in: directory) { _, _ in
                #expect(TemporaryDirectory.names(in: directory.store) == ["data.mdb", "lock.mdb"])
            }
        }
    }

    @Test func `creators at the same time make one environment`() throws {
        let directory = try TemporaryDirectory()
        let outcomes = Recorder<OpenRefusal?>()
        let threads = (0..<4).map { number in
            TestThread { [store = directory.store] in
                do {
                    let environment = try Environment.create(directory: store, options: options()) {
                        try $0.put($0.table("a"), key: key(1), value: key(number))
                    }
                    outcomes.append(nil)
                    withExtendedLifetime(environment) {}
                } catch {
                    outcomes.append(error as? OpenRefusal)
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(outcomes.values.count == 4)
        #expect(outcomes.values.filter { $0 == nil }.count == 1)
        #expect(outcomes.values.filter { $0 == .alreadyExists(path: directory.store) }.count == 3)
        #expect(TemporaryDirectory.names(in: directory.store) == ["data.mdb", "lock.mdb"])
    }

    @Test func `a directory whose parent is missing is not made`() throws {
        let directory = try TemporaryDirectory()
        #expect(throws: LMDBError.self) {
            try Environment.create(directory: directory.path + "/x/y", options: options()) { _ in }
        }
        #expect(TemporaryDirectory.names(in: directory.path).isEmpty)
    }
}
