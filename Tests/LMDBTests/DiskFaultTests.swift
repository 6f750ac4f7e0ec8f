import Glibc
import LMDB
import Testing

/// Full maps, full disks and failing flushes: what LMDB says, and what still works afterwards.
@Suite struct DiskFaultTests {
    private func code(_ body: () throws -> Void) -> LMDBError? {
        do {
            try body()
            return nil
        } catch {
            return error as? LMDBError
        }
    }

    @Test func `a full map is told, the transaction aborts, and after growing it fits`() throws {
        let directory = try TemporaryDirectory()
        try withEnvironment(options(mapSize: 256 << 10), in: directory) { environment, tables in
            try environment.write { try $0.put(tables[0], key: key(0), value: bytes("kept")) }
            let fill: (WriteTransaction) throws -> Void = { transaction in
                for number in 1..<1_000 {
                    try transaction.put(tables[0], key: key(number), value: Array(repeating: 3, count: 1_000))
                }
            }
            let error = code { try environment.write(fill) }
            #expect(error?.isMapFull == true)
            #expect(error?.operation == "put")
            #expect(error?.path == directory.store)
            #expect(error?.description.contains("grow the map") == true)
            #expect(try environment.read { try $0.statistics(tables[0]).entries } == 1)

            let transaction = try environment.beginWrite()
            #expect(throws: Misuse.transactionOpenOnThread(operation: "grow")) { try environment.grow(to: 8 << 20) }
            transaction.abort()
            #expect(throws: Misuse.mapSizeTooSmall(requested: 4_096, current: 256 << 10)) {
                try environment.grow(to: 4_096)
            }
            try environment.grow(to: (8 << 20) - 1)
            #expect(try environment.info.mapSize == 8 << 20)
            try environment.write(fill)
            #expect(try environment.read { try $0.statistics(tables[0]).entries } == 1_000)
        }
        // A grown map stays grown, whatever the next opener asks for.
        let again = try Environment.open(directory: directory.store, options: options(mapSize: 256 << 10))
        #expect(try again.info.mapSize == 8 << 20)
        again.close()
    }

    @Test func `a full disk aborts cleanly, and with room again the same environment goes on`() throws {
        let directory = try TemporaryDirectory()
        try withEnvironment(in: directory) { environment, tables in
            try environment.write { try $0.put(tables[0], key: key(1), value: bytes("before")) }
            let data = try #require(try descriptor(of: directory.data, access: O_RDWR))
            let (saved, full) = (dup(data), open("/dev/full", O_RDWR | O_CLOEXEC))
            // From here LMDB's writes meet a disk that is full.
            #expect(dup2(full, data) == data)
            for _ in 0..<3 {
                let error = code { try environment.write { try $0.put(tables[0], key: key(2), value: key(2)) } }
                #expect(error?.isNoSpace == true)
                #expect(error?.operation == "commit")
            }
            #expect(try environment.read { try $0.get(tables[0], key: key(1)) } == bytes("before"))
            #expect(dup2(saved, data) == data)
            #expect(fcntl(data, F_SETFD, FD_CLOEXEC) == 0)
            close(saved)
            close(full)
            try environment.write { try $0.put(tables[0], key: key(2), value: bytes("after")) }
            #expect(try environment.read { try $0.get(tables[0], key: key(2)) } == bytes("after"))
        }
    }

    @Test func `a meta page that can't be written makes the environment panic, and opening again heals it`() throws {
        let directory = try TemporaryDirectory()
        let environment = try Environment.create(directory: directory.store, options: options()) {
            try $0.put($0.table("a"), key: key(1), value: bytes("before"))
        }
        let table = try environment.table("a")
        let meta = try #require(try descriptor(of: directory.data, access: O_WRONLY))
        let full = open("/dev/full", O_RDWR | O_CLOEXEC)
        #expect(dup2(full, meta) == meta)
        close(full)
        #expect(code { try environment.write { try $0.put(table, key: key(2), value: key(2)) } }?.isNoSpace == true)
        let panic = code { _ = try environment.beginWrite() }
        #expect(panic?.isPanic == true)
        #expect(panic?.description.contains("open it again") == true)
        environment.close()
        let again = try Environment.open(directory: directory.store, options: options())
        defer { again.close() }
        let reopened = try again.table("a")
        #expect(try again.read { try $0.get(reopened, key: key(1)) } == bytes("before"))
        #expect(try again.read { try $0.get(reopened, key: key(2)) } == nil)
        try again.write { try $0.put(reopened, key: key(2), value: key(2)) }
    }

    @Test func `after a failed commit LMDB begins the next one, so poisoning is the caller's part`() throws {
        let faults = LMDBFaults()
        try withEnvironment(options { $0.faults = faults }) { environment, tables in
            faults.failNext(.commit, with: EIO)
            let transaction = try environment.beginWrite()
            try transaction.put(tables[0], key: key(1), value: key(1))
            #expect(code { try transaction.commit() }?.isEIO == true)
            #expect(throws: Misuse.transactionEnded(operation: "put")) {
                try transaction.put(tables[0], key: key(1), value: key(1))
            }
            #expect(throws: Misuse.transactionEnded(operation: "commit")) { try transaction.commit() }
            #expect(try environment.read { try $0.get(tables[0], key: key(1)) } == nil)
            try environment.write { try $0.put(tables[0], key: key(2), value: key(2)) }
        }
    }

    @Test func `a commit that fails falsely is on disk all the same`() throws {
        let faults = LMDBFaults()
        try withEnvironment(options { $0.faults = faults }) { environment, tables in
            faults.failNext(.commit, with: EIO, afterEffect: true)
            #expect(code { try environment.write { try $0.put(tables[0], key: key(1), value: key(1)) } }?.isEIO == true)
            let stored = try environment.read { try $0.get(tables[0], key: key(1)) }
            #expect(stored == key(1))
        }
    }

    @Test func `failures are injected at the n-th call, once or for good`() throws {
        let faults = LMDBFaults()
        try withEnvironment(options { $0.faults = faults }) { environment, tables in
            let puts = faults.calls(of: .put)
            faults.fail(.put, at: puts + 3, with: ENOSPC)
            let transaction = try environment.beginWrite()
            for number in 1...4 {
                let error = code { try transaction.put(tables[0], key: key(number), value: key(number)) }
                #expect((error?.isNoSpace == true) == (number == 3))
            }
            transaction.abort()
            #expect(faults.calls(of: .put) == puts + 4)

            faults.failNext(.beginWrite, with: EAGAIN, isSticky: true)
            for _ in 0..<3 { #expect(code { _ = try environment.beginWrite() }?.code == EAGAIN) }
            faults.failNext(.get, with: LMDBError.corrupted)
            #expect(
                code { try environment.read { _ = try $0.get(tables[0], key: key(1)) } }?.isDamage == true)
            faults.failNext(.cursorMove, with: LMDBError.pageNotFound)
            #expect(
                code { try environment.read { _ = try $0.cursor(tables[0]).next() } }?.isDamage == true)
            faults.heal()
            try environment.write { try $0.put(tables[0], key: key(1), value: key(1)) }
        }
    }

    @Test func `address space that is not to be had is told and harms nothing`() async throws {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            try withEnvironment(in: directory) { environment, tables in
                try environment.write { try $0.put(tables[0], key: key(1), value: key(1)) }
            }
            var limit = rlimit(rlim_cur: 12 << 30, rlim_max: 12 << 30)
            #expect(setrlimit(__rlimit_resource_t(9), &limit) == 0)
            // 64 GiB are not to be had, half of that neither; what can be had is taken.
            let environment = try Environment.open(directory: directory.store, options: options(mapSize: 64 << 30))
            let table = try environment.table("a")
            #expect([4 << 30, 8 << 30].contains(try environment.info.mapSize))
            do {
                try environment.grow(to: 128 << 30)
                Issue.record("growing must fail")
            } catch let error as LMDBError {
                #expect(error.isOutOfMemory)
            }
            #expect(try environment.read { try $0.get(table, key: key(1)) } == key(1))
            try environment.write { try $0.put(table, key: key(2), value: key(2)) }
            environment.close()
        }
    }

    @Test func `a map lost while growing is never touched again`() throws {
        let faults = LMDBFaults()
        let directory = try TemporaryDirectory()
        let environment = try Environment.create(
            directory: directory.store, options: options { $0.faults = faults }
        ) { _ = try $0.table("a") }
        faults.failNext(.setMapSize, with: ENOMEM)
        #expect(code { try environment.grow(to: 128 << 20) }?.isOutOfMemory == true)
        #expect(code { try environment.read { _ in } }?.isPanic == true)
        #expect(code { _ = try environment.beginWrite() }?.isPanic == true)
        #expect(code { _ = try environment.info }?.isPanic == true)
        environment.close()
        try Environment.open(directory: directory.store, options: options()).close()
    }

    @Test func `a compacting copy is a smaller environment with the same entries`() throws {
        let directory = try TemporaryDirectory()
        let copy = directory.path + "/copy"
        try withEnvironment(in: directory) { environment, tables in
            try environment.write { transaction in
                for number in 0..<2_000 { try transaction.put(tables[0], key: key(number), value: key(number)) }
            }
            try environment.write { transaction in
                for number in 0..<1_500 { _ = try transaction.delete(tables[0], key: key(number)) }
            }
            #expect(mkdir(copy, 0o700) == 0)
            let target = open(copy + "/data.mdb", O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
            try environment.copy(toFileDescriptor: target)
            #expect(fsync(target) == 0)
            close(target)
            #expect(RawFile.size(copy + "/data.mdb") < RawFile.size(directory.data))
        }
        let opened = try Environment.open(directory: copy, options: options())
        defer { opened.close() }
        let table = try opened.table("a")
        #expect(try opened.read { try $0.statistics(table).entries } == 500)
        #expect(try opened.read { try $0.get(table, key: key(1_999)) } == key(1_999))
    }

    /// LMDB has the data file open twice: read-write for pages, write-only and synchronous for meta pages.
    private func descriptor(of path: String, access mode: Int32) throws -> Int32? {
        var wanted = stat()
        guard stat(path, &wanted) == 0 else { return nil }
        return TemporaryDirectory.names(in: "/proc/self/fd").compactMap { Int32($0) }.first { descriptor in
            var status = stat()
            return fstat(descriptor, &status) == 0 && status.st_ino == wanted.st_ino && status.st_dev == wanted.st_dev
                && fcntl(descriptor, F_GETFL) & O_ACCMODE == mode
        }
    }
}
