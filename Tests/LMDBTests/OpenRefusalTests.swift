import Glibc
import LMDB
import Testing

/// What stands in the way of opening is told by type, and nothing is touched.
@Suite struct OpenRefusalTests {
    /// A closed environment with a few pages of data.
    private func closedStore(_ entries: Int = 100) throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        try withEnvironment(in: directory) { environment, tables in
            try environment.write { transaction in
                for number in 0..<entries {
                    try transaction.put(tables[0], key: key(number), value: Array(repeating: 7, count: 300))
                }
            }
        }
        return directory
    }

    private func refusal(_ path: String, _ options: Environment.Options = options()) throws -> OpenRefusal? {
        do {
            try Environment.open(directory: path, options: options).close()
            return nil
        } catch let refusal as OpenRefusal {
            #expect(!refusal.description.isEmpty)
            return refusal
        }
    }

    @Test func `a second open in this process is refused, by any path, until the first is closed`() throws {
        let directory = try closedStore()
        let link = directory.path + "/link"
        #expect(symlink(directory.store, link) == 0)
        let first = try Environment.open(directory: directory.store, options: options())
        for path in [directory.store, directory.store + "/", link, directory.path + "/./store"] {
            #expect(try refusal(path) == .alreadyOpenInProcess(path: path))
        }
        // The refusal harmed no lock: the first one still reads and writes.
        let table = try first.table("a")
        try first.write { try $0.put(table, key: key(1), value: bytes("still here")) }
        first.close()
        #expect(try refusal(link) == nil)
    }

    @Test func `network file systems are refused and doubtful ones reported`() throws {
        let directory = try closedStore()
        let magics: [(UInt32, String)] = [
            (0x6969, "nfs"), (0xFF53_4D42, "cifs"), (0xFE53_4D42, "smb2"), (0x0102_1997, "9p"),
        ]
        for (magic, name) in magics {
            let options = options { $0.fileSystemType = { _ in FileSystemType(magic: magic) } }
            #expect(
                try refusal(directory.store, options) == .unsupportedFileSystem(name: name, path: directory.store))
            #expect(throws: OpenRefusal.unsupportedFileSystem(name: name, path: directory.path + "/new")) {
                try Environment.create(directory: directory.path + "/new", options: options) { _ in }
            }
            #expect(TemporaryDirectory.names(in: directory.path + "/new").isEmpty)
        }
        for (magic, name) in [(UInt32(0x0102_1994), "tmpfs"), (0x794C_7630, "overlay"), (0x6573_5546, "fuse")] {
            let environment = try Environment.open(
                directory: directory.store,
                options: options { $0.fileSystemType = { _ in FileSystemType(magic: magic) } })
            #expect(environment.fileSystem == FileSystemType(name: name, suitability: .doubtful))
            environment.close()
        }
        #expect(FileSystemType(magic: 0xEF53).suitability == .supported)
        #expect(FileSystemType(magic: 0x1234).suitability == .doubtful)
    }

    @Test func `the kernel is asked when nothing is injected`() throws {
        guard access("/dev/shm", W_OK) == 0 else { return }
        let directory = try TemporaryDirectory(in: "/dev/shm")
        try withEnvironment(in: directory) { environment, _ in
            #expect(environment.fileSystem.name == "tmpfs")
        }
    }

    @Test func `files that others can write are refused`() throws {
        let directory = try closedStore()
        for (path, mode) in [(directory.store, 0o700), (directory.data, 0o600), (directory.lock, 0o600)] {
            for extra in [0o020, 0o002] {
                #expect(chmod(path, mode_t(mode | extra)) == 0)
                #expect(
                    try refusal(directory.store)
                        == .wrongPermissions(path: path, mode: UInt32(mode | extra), owner: geteuid()))
            }
            #expect(chmod(path, mode_t(mode)) == 0)
        }
        #expect(try refusal(directory.store) == nil)
    }

    @Test(.enabled(if: geteuid() == 0, "changing owners takes root"))
    func `files of another user are refused`() throws {
        let directory = try closedStore()
        for path in [directory.store, directory.data, directory.lock] {
            #expect(chown(path, 12_345, gid_t.max) == 0)
            let mode = UInt32(RawFile.mode(path))
            #expect(try refusal(directory.store) == .wrongPermissions(path: path, mode: mode, owner: 12_345))
            #expect(chown(path, 0, gid_t.max) == 0)
        }
        #expect(try refusal(directory.store) == nil)
    }

    @Test func `links in place of the files are refused`() throws {
        let directory = try closedStore()
        for path in [directory.data, directory.lock] {
            let elsewhere = directory.path + "/elsewhere"
            #expect(rename(path, elsewhere) == 0)
            #expect(symlink(elsewhere, path) == 0)
            #expect(try refusal(directory.store) == .symlink(path: path))
            #expect(unlink(path) == 0)
            #expect(rename(elsewhere, path) == 0)
        }
        #expect(try refusal(directory.store) == nil)
    }

    @Test func `what is no environment is refused with the reason`() throws {
        let directory = try closedStore()
        let store = directory.store
        func isNoEnvironment(_ refusal: OpenRefusal?, _ word: String) -> Bool {
            guard case .notAnEnvironment(_, let reason) = refusal else { return false }
            return reason.contains(word)
        }
        #expect(isNoEnvironment(try refusal(directory.path + "/nowhere"), "no such directory"))
        #expect(isNoEnvironment(try refusal(directory.data), "not a directory"))
        #expect(isNoEnvironment(try refusal(directory.path), "no data.mdb"))

        for content in [[], [0], Array(repeating: 0x41, count: 100)] as [[UInt8]] {
            try RawFile.write(content, to: directory.data)
            #expect(isNoEnvironment(try refusal(store), "ends within"), "\(content.count) bytes")
            #expect(try RawFile.read(directory.data) == content)
        }
        let text = Array("a file of text, long enough to be two pages. ".utf8)
        try RawFile.write(Array((0..<500).map { _ in text }.joined()), to: directory.data)
        #expect(isNoEnvironment(try refusal(store), "not LMDB's"))
        try RawFile.write([UInt8](repeating: 0, count: 65_536), to: directory.data)
        #expect(isNoEnvironment(try refusal(store), "not LMDB's"))

        #expect(unlink(directory.data) == 0)
        #expect(mkdir(directory.data, 0o700) == 0)
        #expect(isNoEnvironment(try refusal(store), "not a plain file"))
        #expect(rmdir(directory.data) == 0)
        #expect(mkfifo(directory.data, 0o600) == 0)
        #expect(isNoEnvironment(try refusal(store), "not a plain file"))
    }

    @Test func `newer formats and foreign page sizes are refused`() throws {
        let directory = try closedStore()
        let good = try RawFile.read(directory.data)
        let page = Environment.machinePageSize
        func patched(_ offset: Int, _ value: UInt32) -> [UInt8] {
            var bytes = good
            for start in [0, page] {
                withUnsafeBytes(of: value) { bytes.replaceSubrange(start + offset..<start + offset + 4, with: $0) }
            }
            return bytes
        }
        try RawFile.write(patched(20, 2), to: directory.data)
        #expect(try refusal(directory.store) == .versionTooNew(path: directory.data, version: 2))
        // A file with larger pages has its second meta page further on.
        var large = patched(40, 16_384)
        large += [UInt8](repeating: 0, count: 65_536)
        large.replaceSubrange(16_384..<16_384 + page, with: large[page..<2 * page])
        try RawFile.write(large, to: directory.data)
        #expect(
            try refusal(directory.store)
                == .pageSizeMismatch(path: directory.data, fileBytes: 16_384, machineBytes: page))
        try RawFile.write(good, to: directory.data)
        #expect(try refusal(directory.store) == nil)
    }

    @Test func `a lock file that is gone, cut or garbage is rebuilt`() throws {
        let directory = try closedStore()
        let good = try RawFile.read(directory.lock)
        for content in [nil, [], Array(good.prefix(10)), [UInt8](repeating: 0xA5, count: good.count)] as [[UInt8]?] {
            if let content { try RawFile.write(content, to: directory.lock) } else { unlink(directory.lock) }
            let environment = try Environment.open(directory: directory.store, options: options())
            let table = try environment.table("a")
            #expect(try environment.read { try $0.statistics(table).entries } == 100)
            try environment.write { try $0.put(table, key: key(0), value: []) }
            environment.close()
            #expect(RawFile.mode(directory.lock) == 0o600)
        }
    }

    @Test func `an open that other processes disturb is repeated five times`() throws {
        let directory = try closedStore()
        for failures in [3, 5, 6] {
            let faults = LMDBFaults()
            for number in 1...failures { faults.fail(.openEnvironment, at: number, with: EAGAIN) }
            let delays = Recorder<Int>()
            let options = options {
                $0.faults = faults
                $0.delayBeforeRetry = { delays.append($0) }
            }
            if failures <= 5 {
                try Environment.open(directory: directory.store, options: options).close()
            } else {
                #expect(throws: LMDBError(code: EAGAIN, operation: "open environment", path: directory.store)) {
                    try Environment.open(directory: directory.store, options: options)
                }
            }
            #expect(delays.values == Array(1...min(failures, 5)))
            #expect(faults.calls(of: .openEnvironment) == min(failures + 1, 6))
        }
        // Each failed try gave its claim back.
        #expect(try refusal(directory.store) == nil)
    }

    @Test func `tables of a kind this library does not make are refused`() throws {
        let directory = try TemporaryDirectory()
        let name = "a-table-with-duplicates"
        try withEnvironment(tables: [name], in: directory) { _, _ in }
        // In the directory of tables, the name is followed by the table's record: 4 bytes of padding, then flags.
        var content = try RawFile.read(directory.data)
        let pattern = bytes(name)
        var patched = 0
        for start in content.indices.dropLast(pattern.count + 6)
        where content[start..<start + pattern.count].elementsEqual(pattern) {
            content[start + pattern.count + 4] |= 0x04
            patched += 1
        }
        #expect(patched > 0)
        try RawFile.write(content, to: directory.data)
        let environment = try Environment.open(directory: directory.store, options: options())
        defer { environment.close() }
        do {
            _ = try environment.table(name)
            Issue.record("the table must be refused")
        } catch let error as LMDBError {
            #expect(error.code == LMDBError.incompatible)
            #expect(error.operation.contains(name))
        }
    }
}
