import Foundation
import LMDB
import StepEvents
import StepLocks
import StepLog
import TestSupport
import Testing

/// What must hold of every use of LMDB, provoked once each.
@Suite("The discipline of LMDB")
struct DisciplineTests {
    @Test("Descriptors and modes of the files beside the database, under any umask")
    func files() async throws {
        // The umask belongs to the process.
        await #expect(processExitsWith: .success) {
            umask(0)
            let test = try TestStore(.lmdb)
            defer { test.store.close() }
            for (name, mode) in [
                ("", 0o700), ("/engine.lock", 0o600), ("/witness", 0o600), ("/data.mdb", 0o600), ("/lock.mdb", 0o600),
            ] {
                var status = stat()
                #expect(stat(test.directory + name, &status) == 0)
                #expect(Int(status.st_mode) & 0o777 == mode, "\(name)")
            }
            var marked: Set<String> = []
            for name in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
                guard let descriptor = Int32(name),
                    let path = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(name)"),
                    path.hasPrefix(test.directory)
                else { continue }
                #expect(fcntl(descriptor, F_GETFD) & FD_CLOEXEC != 0, "\(path) would be inherited")
                marked.insert(String(path.dropFirst(test.directory.count)))
            }
            #expect(marked == ["/engine.lock", "/data.mdb", "/lock.mdb"])
        }
    }

    /// What makes the store look for readers that died.
    enum Occasion: CaseIterable { case opening, halfMinute, fullMap }

    @Test(
        "The slot of a killed reader is freed at open, every half minute, and before growing",
        arguments: Occasion.allCases)
    func killedReader(occasion: Occasion) async throws {
        let tables = Locked<LMDBTables?>(nil)
        let test = try TestStore(
            .lmdb,
            options: {
                $0.around = { base in
                    tables.withLock { $0 = base as? LMDBTables }
                    return base
                }
            })
        var script = RunScript()
        try test.commit(try script.start().command)
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = test.directory as String] in
            let reader = try EventStore.openReadOnly(directory: path)
            try reader.read { _ in _ = kill(getpid(), SIGKILL) }
        }
        func dead() throws -> Int {
            let environment = try #require(tables.withLock { $0 }).environment
            return try environment.readers().count { $0.processID != getpid() }
        }
        #expect(try dead() == 1)
        switch occasion {
        case .opening: try test.reopen()
        case .halfMinute:
            test.clock.advance(by: .seconds(29))
            try test.commit(try script.start().command)
            #expect(try dead() == 1)
            test.clock.advance(by: .seconds(1))
            try test.commit(try script.start().command)
        case .fullMap:
            test.faults.fail(.mapFull, at: .put, times: 1)
            try test.commit(try script.start().command)
        }
        #expect(try dead() == 0)
        test.store.close()
    }

    @Test("All commits come from one thread, on which every signal is blocked")
    func writerThread() throws {
        let watched = Locked<[ThreadTables.Seen]>([])
        let test = try TestStore(
            .lmdb, writer: .thread,
            options: { $0.around = { base in ThreadTables(base) { seen in watched.withLock { $0.append(seen) } } } })
        watched.withLock { $0 = [] }
        let acks = AckRecorder()
        var script = RunScript()
        for token in 0..<20 {
            try test.store.submit(try script.start(observer: acks, token: UInt64(token)).command)
            acks.wait(for: token + 1)
        }
        test.store.close()
        let seen = watched.withLock { $0 }
        #expect(seen.count >= 20)
        #expect(Set(seen.map(\.thread)).count == 1)
        #expect(seen.first?.thread != UInt(pthread_self()))
        for signal in [SIGINT, SIGTERM, SIGUSR1, SIGALRM, SIGCHLD, SIGPIPE] {
            #expect(seen.allSatisfy { $0.blocked.contains(signal) }, "signal \(signal)")
        }
    }

    @Test("An engine whose lock file was taken away is fenced by the next one, and writes nothing more")
    func fencedByProcess() async throws {
        let test = try TestStore(.lmdb)
        let acks = AckRecorder()
        var script = RunScript()
        try test.commit(try script.start(observer: acks).command)
        try FileManager.default.removeItem(atPath: "\(test.directory)/engine.lock")
        await #expect(processExitsWith: .success) { [path = test.directory as String] in
            let second = try EventStore.openLMDB(directory: path)
            try #require(try second.read { try $0.lastRun() } == RunNumber(1))
            second.close()
        }
        try test.commit(try script.start(observer: acks).command)
        #expect(acks.errors.map(\.code) == [.fenced])
        #expect(test.store.health.kind == "fenced")
        #expect(try test.store.read { try $0.lastRun() } == RunNumber(1), "nothing of it was written")
        test.store.close()
    }
}

/// Tables that tell on which thread, and with which signals blocked, each transaction begins.
private final class ThreadTables: Tables {
    struct Seen: Sendable {
        var thread: UInt
        var blocked: Set<Int32>
    }

    private let base: any Tables
    private let see: @Sendable (Seen) -> Void

    init(_ base: any Tables, _ see: @escaping @Sendable (Seen) -> Void) {
        self.base = base
        self.see = see
    }

    func beginWrite() throws(TablesError) -> any WriteTables {
        var mask = sigset_t()
        pthread_sigmask(SIG_BLOCK, nil, &mask)
        see(Seen(thread: UInt(pthread_self()), blocked: Set((1..<32).filter { sigismember(&mask, $0) == 1 })))
        return try base.beginWrite()
    }

    func read<T>(_ body: (any ReadTables) throws -> T) throws -> T { try base.read(body) }
    var info: TablesInfo { get throws(TablesError) { try base.info } }
    func reusableBytes() throws(TablesError) -> Int { try base.reusableBytes() }
    func reserve(bytes: Int, isTight: Bool) throws(TablesError) { try base.reserve(bytes: bytes, isTight: isTight) }
    func grow(to bytes: Int) throws(TablesError) { try base.grow(to: bytes) }
    func checkReaders() throws(TablesError) -> Int { try base.checkReaders() }
    func close() { base.close() }
}
