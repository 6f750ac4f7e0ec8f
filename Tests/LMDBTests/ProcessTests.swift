import Glibc
import LMDB
import Testing

/// What other processes do, and what they must not get.
@Suite struct ProcessTests {
    @Test func `the slot of a killed reader is freed and its pages are reused`() async throws {
        let directory = try TemporaryDirectory()
        let environment = try Environment.create(directory: directory.store, options: options()) {
            _ = try $0.table("a")
        }
        defer { environment.close() }
        let table = try environment.table("a")
        try environment.write { try $0.put(table, key: key(0), value: key(0)) }
        await #expect(processExitsWith: .signal(SIGKILL)) { [store = directory.store as String] in
            let reader = try Environment.open(directory: store, options: options { $0.readOnly = true })
            let snapshot = try reader.beginRead()
            let table = try reader.table("a")
            #expect(throws: Misuse.environmentReadOnly(path: store)) { try reader.beginWrite() }
            _ = table
            withExtendedLifetime(snapshot) { _ = kill(getpid(), SIGKILL) }
        }
        func growth() throws -> Int {
            let before = try environment.info.lastPage
            for number in 0..<300 { try environment.write { try $0.put(table, key: key(0), value: key(number)) } }
            return try environment.info.lastPage - before
        }
        let dead = try environment.readers().filter { $0.processID != getpid() }
        #expect(dead.count == 1)
        #expect(dead.first?.transactionID == 2)
        #expect(try growth() > 200)
        #expect(try environment.checkReaders() == 1)
        #expect(try environment.readers().allSatisfy { $0.processID == getpid() })
        #expect(try growth() < 100)
        #expect(try environment.checkReaders() == 0)
    }

    @Test func `a reader in another process sees each commit`() async throws {
        let directory = try TemporaryDirectory()
        let environment = try Environment.create(directory: directory.store, options: options()) {
            try $0.put($0.table("a"), key: key(0), value: key(0))
        }
        defer { environment.close() }
        let table = try environment.table("a")
        async let exit = #expect(processExitsWith: .exitCode(23)) { [store = directory.store as String] in
            let reader = try Environment.open(directory: store, options: options { $0.readOnly = true })
            let table = try reader.table("a")
            var last: UInt64 = 0
            while last < 50 {
                let value: UInt64? = try reader.read { transaction in
                    try transaction.get(table, key: key(0)).flatMap { BigEndian.read(from: $0) }
                }
                let seen = try #require(value)
                guard seen >= last else { Glibc.exit(1) }
                last = seen
            }
            Glibc.exit(23)
        }
        // Commits begin once the reader is there, and end long before it could give up.
        while try environment.readers().allSatisfy({ $0.processID == getpid() }) { await Task.yield() }
        for number in 1...50 { try environment.write { try $0.put(table, key: key(0), value: key(number)) } }
        _ = await exit
    }

    @Test func `a map that another process has grown is adopted`() async throws {
        let directory = try TemporaryDirectory()
        let small = 1 << 20
        let environment = try Environment.create(directory: directory.store, options: options(mapSize: small)) {
            _ = try $0.table("a")
        }
        defer { environment.close() }
        let table = try environment.table("a")
        try environment.read { _ = try $0.get(table, key: key(0)) }
        await #expect(processExitsWith: .success) { [store = directory.store as String, small = small as Int] in
            let other = try Environment.open(directory: store, options: options(mapSize: small))
            let table = try other.table("a")
            try other.grow(to: 32 << 20)
            try other.write { try $0.put(table, key: key(0), value: Array(repeating: 9, count: 4 << 20)) }
            other.close()
        }
        #expect(try environment.info.mapSize == small)
        // The idle snapshot is renewed and meets a file beyond its map.
        #expect(try environment.read { try $0.withValue(table, key: key(0)) { $0.count } } == 4 << 20)
        #expect(try environment.info.mapSize == 32 << 20)

        await #expect(processExitsWith: .success) { [store = directory.store as String] in
            let other = try Environment.open(directory: store, options: options())
            let table = try other.table("a")
            #expect(try other.info.mapSize == 64 << 20)
            try other.write { try $0.put(table, key: key(1), value: Array(repeating: 9, count: 34 << 20)) }
            other.close()
        }
        // A writer adopts as well; with a snapshot open on its thread it says what stands in the way.
        try environment.write { try $0.put(table, key: key(2), value: key(2)) }
        #expect(try environment.info.mapSize == 64 << 20)
        #expect(try environment.read { try $0.get(table, key: key(2)) } == key(2))
    }

    @Test func `programs that this process starts inherit none of the files`() throws {
        let directory = try TemporaryDirectory()
        try withEnvironment(in: directory) { environment, _ in
            let snapshot = try environment.beginRead()
            let listing = try output(of: ["/bin/ls", "-l", "/proc/self/fd"])
            #expect(listing.contains("/dev/null"))
            #expect(!listing.contains(directory.store))
            snapshot.end()
            // The check can fail: a descriptor without the mark is seen.
            let leaked = open(directory.path, O_RDONLY)
            defer { close(leaked) }
            #expect(try output(of: ["/bin/ls", "-l", "/proc/self/fd"]).contains(directory.path))
        }
    }

    /// Starts a program the way any library would, without closing descriptors, and reads what it prints.
    private func output(of arguments: [String]) throws -> String {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw LMDBError(code: errno, operation: "pipe") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        var child: pid_t = 0
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        defer { for word in words { free(word) } }
        words.append(nil)
        let code = posix_spawn(&child, arguments[0], &actions, nil, words, environ)
        close(ends[1])
        defer { close(ends[0]) }
        guard code == 0 else { throw LMDBError(code: code, operation: "spawn") }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while case let count = read(ends[0], &buffer, buffer.count), count > 0 { text += buffer[..<count] }
        var status: Int32 = 0
        #expect(waitpid(child, &status, 0) == child)
        #expect(status == 0)
        return String(decoding: text, as: UTF8.self)
    }
}
