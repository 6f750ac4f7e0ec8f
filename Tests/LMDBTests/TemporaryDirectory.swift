import Glibc
import LMDB
import Testing

/// A directory of a test's own, removed at the end with all that is in it.
final class TemporaryDirectory: Sendable {
    let path: String

    init(in parent: String = "/tmp") throws {
        var template = Array("\(parent)/lmdb-tests-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw LMDBError(code: errno, operation: "make directory", path: parent)
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { Self.remove(path) }

    var store: String { path + "/store" }
    var data: String { store + "/data.mdb" }
    var lock: String { store + "/lock.mdb" }

    static func names(in path: String) -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    private static func remove(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        if status.st_mode & S_IFMT == S_IFDIR {
            for name in names(in: path) { remove("\(path)/\(name)") }
            rmdir(path)
        } else {
            unlink(path)
        }
    }
}

/// Options with a small map, so that tests of a full map are quick.
func options(mapSize: Int = 64 << 20, _ change: (inout Environment.Options) -> Void = { _ in }) -> Environment.Options {
    var options = Environment.Options()
    options.mapSize = mapSize
    change(&options)
    return options
}

/// Creates an environment with the given tables, lends it, and checks before closing that no page was lost.
func withEnvironment(
    _ options: Environment.Options = options(), tables: [String] = ["a"], in directory: TemporaryDirectory? = nil,
    _ body: (Environment, [Table]) throws -> Void
) throws {
    let directory = try directory ?? TemporaryDirectory()
    let environment = try Environment.create(directory: directory.store, options: options) { transaction in
        for table in tables { _ = try transaction.table(table) }
    }
    defer { environment.close() }
    try body(environment, environment.openTables(tables))
    let account = try #require(try environment.pageAccount())
    #expect(account.isBalanced, "\(account)")
    withExtendedLifetime(directory) {}
}

/// Eight big-endian bytes.
func key(_ number: Int) -> [UInt8] { BigEndian.bytes(UInt64(number)) }

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
