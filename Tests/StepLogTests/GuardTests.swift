import Foundation
import LMDB
import StepEvents
import Synchronization
import TestSupport
import Testing

@testable import StepLog

@Suite("Guards against rollback, second engines and strangers")
struct GuardTests {
    // MARK: The fence

    @Test("A transaction without a commit record is noticed at the next start", arguments: StoreForm.allCases)
    func fence(form: StoreForm) throws {
        let test = try TestStore(form)
        var script = RunScript()
        try test.commit(try script.start().command)
        test.store.close()
        switch form {
        case .memory:
            let tables = try #require(test.memory).crashClone()
            let transaction = try tables.beginWrite()
            try transaction.put(.meta, Array("stranger".utf8), [1])
            try transaction.commit()
            #expect(try openError(tables, test.options)?.code == .tornCommit)
            var options = test.options
            options.acceptRollback = true
            let accepted = try EventStore.inMemory(tables, options: options)
            #expect(accepted.warnings.count == 1)
            #expect(accepted.warnings.first?.contains("acceptRollback") == true)
            #expect(try accepted.verify().isSound)
            accepted.close()
        case .lmdb:
            let environment = try Environment.open(directory: test.directory)
            try environment.write { try $0.put(try $0.table("meta"), key: Array("stranger".utf8), value: [1]) }
            environment.close()
            #expect(openError(test.directory, test.options)?.code == .tornCommit)
            var options = test.options
            options.acceptRollback = true
            let accepted = try EventStore.openLMDB(directory: test.directory, options: options)
            #expect(try accepted.verify().isSound)
            accepted.close()
            // Accepted once, not for ever needed.
            try EventStore.openLMDB(directory: test.directory, options: test.options).close()
        }
    }

    @Test("A store of an older format is refused and left as it was")
    func olderFormat() throws {
        let test = try TestStore(.memory)
        test.store.close()
        let tables = try #require(test.memory).crashClone()
        let transaction = try tables.beginWrite()
        var older = try #require(try transaction.get(.meta, Array("format".utf8)))
        older[8] -= 1
        try transaction.put(.meta, Array("format".utf8), older)
        try transaction.commit()
        #expect(try openError(tables, test.options)?.code == .olderFormat)
        let later = try tables.crashClone().beginWrite()
        #expect(try later.get(.meta, Array("format".utf8)) == older)
        later.rollBack()
    }

    // MARK: The witness

    @Test("An old copy put back is noticed, and says how much is lost")
    func oldCopy() throws {
        let test = try TestStore(.lmdb)
        var script = RunScript()
        try test.commit(try script.start().command)
        test.store.close()
        let data = URL(fileURLWithPath: "\(test.directory)/data.mdb")
        let old = try Data(contentsOf: data)
        try test.reopen(changingFiles: { _ in })
        for _ in 0..<5 { try test.commit(try script.start().command) }
        test.store.close()
        try old.write(to: data)
        let error = openError(test.directory, test.options)
        // Closed after LSN 4; then an opening and five commits of two records.
        #expect(error?.code == .rolledBack(lost: 11))
        var options = test.options
        options.acceptRollback = true
        let accepted = try EventStore.openLMDB(directory: test.directory, options: options)
        #expect(try accepted.history(of: RunNumber(1)).count == 1)
        #expect(try accepted.verify().isSound)
        accepted.close()
    }

    @Test(
        "The witness is at most a second behind, also when nothing is written any more", arguments: StoreForm.allCases)
    func lag(form: StoreForm) throws {
        let test = try TestStore(form, writer: .manual)
        var script = RunScript()
        let fresh = try test.witness()
        try test.commit(try script.start().command)
        #expect(try test.witness() == fresh, "not more than one write a second")
        test.clock.advance(by: .seconds(1))
        test.store.commitPending()
        #expect(try test.witness() != fresh)
        test.store.close()
    }

    @Test("One torn slot of the witness is no harm, a missing witness is refused")
    func tornWitness() throws {
        let test = try TestStore(.lmdb)
        var script = RunScript()
        try test.commit(try script.start().command)
        test.store.close()
        let file = URL(fileURLWithPath: "\(test.directory)/witness")
        let whole = try Data(contentsOf: file)
        for slot in [0, 512] {
            var torn = whole
            torn[slot + 100] ^= 0xFF
            torn[slot + 30] ^= 0xFF
            try torn.write(to: file)
            try EventStore.openLMDB(directory: test.directory, options: test.options).close()
            try whole.write(to: file)
            // The log has grown past what this older witness saw, which is no rollback.
            try EventStore.openLMDB(directory: test.directory, options: test.options).close()
        }
        try FileManager.default.removeItem(at: file)
        #expect(openError(test.directory, test.options)?.code == .rolledBack(lost: nil))
    }

    @Test("A crash before the first witness was written leaves a store that opens")
    func noWitnessYet() throws {
        let test = try TestStore(.lmdb)
        for _ in 0..<2 {
            try test.reopen(changingFiles: { directory in
                try FileManager.default.removeItem(atPath: "\(directory)/witness")
            })
        }
    }

    @Test("A database that is gone is not silently begun anew")
    func missingDatabase() throws {
        let test = try TestStore(.lmdb)
        test.store.close()
        for name in ["data.mdb", "lock.mdb"] {
            try FileManager.default.removeItem(atPath: "\(test.directory)/\(name)")
        }
        #expect(openError(test.directory, test.options)?.code == .rolledBack(lost: 2))
    }

    // MARK: One engine

    @Test("A second engine is told who has the store")
    func secondEngine() throws {
        let test = try TestStore(.lmdb)
        let error = openError(test.directory, test.options)
        #expect(error?.code == .inUse(pid: ProcessInfo.processInfo.processIdentifier))
        #expect(error?.path == test.directory)
        test.store.note(socket: "/run/stepkit.sock")
        let holder = EngineHolder.of(directory: test.directory)
        #expect(holder?.socket == "/run/stepkit.sock")
        #expect(holder?.pid == ProcessInfo.processInfo.processIdentifier)
        test.store.close()
        try EventStore.openLMDB(directory: test.directory, options: test.options).close()
    }

    @Test("An engine that lost the store stops at its next commit")
    func fenced() throws {
        let test = try TestStore(.memory)
        let memory = try #require(test.memory)
        let acks = AckRecorder()
        var script = RunScript()
        let second = try EventStore.inMemory(memory, options: test.options)
        try test.commit(try script.start(observer: acks).command)
        #expect(acks.errors.map(\.code) == [.fenced])
        #expect(test.store.submitError(Command(batch: EventBatch()))?.code == .fenced)
        #expect(test.store.health.kind == "fenced")
        #expect(try second.read { try $0.lastRun() } == RunNumber(0), "nothing of it was written")
        second.close()
    }

    // MARK: Pages after a crash

    @Test("A large store is looked at whole where the power may have failed, and only there")
    func checkedExtent() {
        let large = 1 << 40
        #expect(LMDBOpening.checkedExtent(usedBytes: large, powerMayHaveFailed: true) == .everything)
        #expect(LMDBOpening.checkedExtent(usedBytes: large, powerMayHaveFailed: false) == .edges)
        #expect(LMDBOpening.checkedExtent(usedBytes: 1 << 20, powerMayHaveFailed: false) == .everything)
    }

    @Test("The lock's file tells a process that died from a system that went down")
    func boot() throws {
        let directory = try TemporaryDirectory()
        let first = try EngineLock(directory: directory.path, boot: "one")
        #expect(!first.isSameBoot, "nobody had it before")
        first.note(socket: "/somewhere/engine.sock")
        first.release()
        let second = try EngineLock(directory: directory.path, boot: "one")
        #expect(second.isSameBoot)
        second.release()
        let third = try EngineLock(directory: directory.path, boot: "two")
        #expect(!third.isSameBoot)
        third.release()
        #expect(try !EngineLock(directory: directory.path, boot: nil).isSameBoot, "nothing is known")
        #expect(SystemBoot.id?.isEmpty == false)
    }

    // MARK: Strangers

    @Test("A database of another program is refused and left as it was")
    func foreign() throws {
        let directory = try TemporaryDirectory()
        let path = directory.appending("other")
        let environment = try Environment.create(directory: path) { transaction in
            try transaction.put(try transaction.table("things"), key: [1], value: [2])
        }
        environment.close()
        let before = try Data(contentsOf: URL(fileURLWithPath: "\(path)/data.mdb"))
        #expect(openError(path, StoreOptions())?.code == .foreign)
        #expect(try Data(contentsOf: URL(fileURLWithPath: "\(path)/data.mdb")) == before)
        #expect(!FileManager.default.fileExists(atPath: "\(path)/engine.lock"))
        #expect(!FileManager.default.fileExists(atPath: "\(path)/witness"))
    }

    @Test("A directory that is no store, or not fit for one, is left as it was")
    func unfit() throws {
        let directory = try TemporaryDirectory()
        let path = directory.appending("other")
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        #expect(chmod(path, 0o700) == 0)
        try Data(repeating: 7, count: 10_000).write(to: URL(fileURLWithPath: "\(path)/data.mdb"))
        #expect(chmod("\(path)/data.mdb", 0o600) == 0)
        #expect(openError(path, StoreOptions())?.code == .foreign)
        #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["data.mdb"])
        #expect(chmod("\(path)/data.mdb", 0o666) == 0)
        #expect(openError(path, StoreOptions())?.code == .unusable)
        #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["data.mdb"])
    }

    @Test("A doubtful file system and library are told once")
    func warnings() throws {
        let test = try TestStore(
            .lmdb,
            options: {
                $0.tables.fileSystemType = { _ in FileSystemType(name: "tmpfs", suitability: .doubtful) }
            })
        #expect(test.store.warnings.contains { $0.contains("tmpfs") && $0.contains(test.directory) })
        test.store.close()
        let sound = FileSystemType(name: "ext4", suitability: .supported)
        for (patch, count) in [(24, 0), (26, 1), (31, 1), (32, 0)] {
            let library = LibraryVersion(major: 0, minor: 9, patch: patch)
            #expect(LMDBTables.warnings(path: "/store", sound, library).count == count)
        }
    }

    @Test("A newer format and unknown features are refused", arguments: StoreForm.allCases, [8, 10])
    func newer(form: StoreForm, offset: Int) throws {
        let test = try TestStore(form)
        test.store.close()
        // Offset 8 is the version, 10 the feature bits.
        let change: ([UInt8]) -> [UInt8] = { row in
            var row = row
            row[offset] |= 4
            return row
        }
        switch form {
        case .memory:
            let tables = try #require(test.memory).crashClone()
            let transaction = try tables.beginWrite()
            let row = try #require(try transaction.get(.meta, Array("format".utf8)))
            try transaction.put(.meta, Array("format".utf8), change(row))
            try transaction.commit()
            #expect(try openError(tables, test.options)?.code == .newerFormat)
        case .lmdb:
            let environment = try Environment.open(directory: test.directory)
            try environment.write { transaction in
                let meta = try transaction.table("meta")
                let row = try #require(try transaction.get(meta, key: Array("format".utf8)))
                try transaction.put(meta, key: Array("format".utf8), value: change(row))
            }
            environment.close()
            #expect(openError(test.directory, test.options)?.code == .newerFormat)
        }
    }

    @Test("A network file system is refused before anything is made there")
    func networkFileSystem() throws {
        let directory = try TemporaryDirectory()
        var options = StoreOptions()
        options.tables.fileSystemType = { _ in FileSystemType(name: "nfs", suitability: .refused) }
        #expect(openError(directory.path, options)?.code == .unusable)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
    }

    @Test("A truncated database is damaged, not a signal")
    func truncated() throws {
        let test = try TestStore(.lmdb)
        var workload = RandomWorkload(seed: 3)
        for _ in 0..<100 { try test.commit(try workload.next()) }
        test.store.close()
        let file = URL(fileURLWithPath: "\(test.directory)/data.mdb")
        let whole = try Data(contentsOf: file)
        for pages in [0, 1, 2, 3, 5] {
            try whole.prefix(pages * 4096).write(to: file)
            let code = openError(test.directory, test.options)?.code
            #expect(code == .damaged || code == .foreign, "cut to \(pages) pages: \(String(describing: code))")
        }
    }

    // MARK: Readers

    @Test("Another process reads a live store, and can't become its engine")
    func otherProcess() async throws {
        let test = try TestStore(.lmdb)
        var workload = RandomWorkload(seed: 99)
        for _ in 0..<100 { try test.commit(try workload.next()) }
        let (path, pid) = (test.directory, getpid())
        await #expect(processExitsWith: .success) { [path = path as String, pid = pid as Int32] in
            var expected = RandomWorkload(seed: 99)
            for _ in 0..<100 { _ = try expected.next() }
            let reader = try EventStore.openReadOnly(directory: path)
            try expectHolds(reader, expected.script)
            try reader.requireSound()
            try #require(reader.submitError(Command(batch: EventBatch()))?.code == .readOnly)
            reader.close()
            try #require(openError(path, StoreOptions())?.code == .inUse(pid: pid))
        }
        // The reader came and went; the engine works on.
        try test.commit(try workload.next())
        try expectHolds(test.store, workload.script)
        test.store.close()
    }

    @Test("Reading where there is no store is told so")
    func noStore() throws {
        let directory = try TemporaryDirectory()
        for path in [directory.path, directory.appending("none")] {
            let error = #expect(throws: StoreError.self) { try EventStore.openReadOnly(directory: path) }
            #expect(error?.code == .notFound)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
    }
}

/// The error that opening gives, if it gives one.
func openError(_ directory: String, _ options: StoreOptions) -> StoreError? {
    do {
        try EventStore.openLMDB(directory: directory, options: options).close()
        return nil
    } catch {
        return error
    }
}

func openError(_ tables: MemoryTables, _ options: StoreOptions) throws -> StoreError? {
    do {
        try EventStore.inMemory(tables, options: options).close()
        return nil
    } catch {
        return error
    }
}

extension TestStore {
    /// The bytes of the witness.
    func witness() throws -> [UInt8] {
        switch form {
        case .memory: try #require(memory).read()
        case .lmdb: Array(try Data(contentsOf: URL(fileURLWithPath: "\(directory)/witness")))
        }
    }
}
