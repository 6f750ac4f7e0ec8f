/// Why a directory is not opened as an environment. Nothing was changed on disk.
package enum OpenRefusal: Error, Equatable, Sendable {
    /// Opening twice in one process would drop the locks that protect its readers from other processes.
    case alreadyOpenInProcess(path: String)
    /// LMDB needs shared memory and locks that network file systems don't give.
    case unsupportedFileSystem(name: String, path: String)
    /// The file ends before pages that its newest meta page counts as used. Reading them would be a bus error.
    case fileShorterThanMeta(path: String, expectedBytes: Int, actualBytes: Int)
    /// A page is not as LMDB leaves it; following it could end the process. Page 0 stands for the first two.
    case damaged(path: String, page: UInt64, table: String?, reason: String)
    case notAnEnvironment(path: String, reason: String)
    case wrongPermissions(path: String, mode: UInt32, owner: UInt32)
    case symlink(path: String)
    case pageSizeMismatch(path: String, fileBytes: Int, machineBytes: Int)
    case versionTooNew(path: String, version: UInt32)
    /// `create` found an environment in its place.
    case alreadyExists(path: String)
}

extension OpenRefusal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .alreadyOpenInProcess(let path):
            "\(path) is already open in this process; use that environment"
        case .unsupportedFileSystem(let name, let path):
            "\(path) lies on \(name), which has no reliable locks and shared memory; use a local disk"
        case .fileShorterThanMeta(let path, let expected, let actual):
            "\(path) is damaged: it holds \(actual) bytes, its meta page counts on \(expected)"
        case .damaged(let path, let page, _, let reason):
            "\(path) is damaged at page \(page): \(reason)"
        case .notAnEnvironment(let path, let reason):
            "\(path) is not an LMDB environment: \(reason)"
        case .wrongPermissions(let path, let mode, let owner):
            "\(path) has mode \(String(mode, radix: 8)) and owner \(owner); it must belong to the user of this process"
                + " and be writable for no one else"
        case .symlink(let path):
            "\(path) is a symbolic link; put the file itself there"
        case .pageSizeMismatch(let path, let file, let machine):
            "\(path) was written with pages of \(file) bytes, this machine has pages of \(machine); export it there"
                + " and import it here"
        case .versionTooNew(let path, let version):
            "\(path) has LMDB format \(version), this library reads 1; use a newer build"
        case .alreadyExists(let path):
            "\(path) already holds an environment; open it instead"
        }
    }
}
