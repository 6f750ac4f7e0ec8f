import Glibc

/// What must hold of a directory and its files before LMDB opens them.
enum FileChecks {
    static let dataName = "data.mdb"
    static let lockName = "lock.mdb"

    /// Follows no link at the end of the path; nil when nothing is there. — lstat
    static func status(_ path: String) throws -> stat? {
        var status = stat()
        if unsafe lstat(path, &status) == 0 { return status }
        let code = errno
        if code == ENOENT || code == ENOTDIR { return nil }
        throw LMDBError(code: code, operation: "look at", path: path)
    }

    /// A directory of this process's user that no one else can write. The directory itself may be reached by a link.
    static func checkDirectory(_ path: String) throws {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else {
            let code = errno
            guard code == ENOENT || code == ENOTDIR else {
                throw LMDBError(code: code, operation: "look at", path: path)
            }
            throw OpenRefusal.notAnEnvironment(path: path, reason: "there is no such directory")
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw OpenRefusal.notAnEnvironment(path: path, reason: "it is not a directory")
        }
        try checkPermissions(status, path: path)
    }

    /// A plain file of this process's user that no one else can write.
    static func checkFile(_ status: stat, path: String) throws {
        switch status.st_mode & S_IFMT {
        case S_IFREG: try checkPermissions(status, path: path)
        case S_IFLNK: throw OpenRefusal.symlink(path: path)
        default: throw OpenRefusal.notAnEnvironment(path: path, reason: "it is not a plain file")
        }
    }

    private static func checkPermissions(_ status: stat, path: String) throws {
        guard status.st_mode & 0o022 == 0, status.st_uid == geteuid() else {
            throw OpenRefusal.wrongPermissions(path: path, mode: status.st_mode & 0o7777, owner: status.st_uid)
        }
    }

    static func checkFileSystem(_ path: String, _ options: Environment.Options) throws -> FileSystemType {
        let type = try options.fileSystemType?(path) ?? FileSystemType.of(path)
        guard type.suitability != .refused else {
            throw OpenRefusal.unsupportedFileSystem(name: type.name, path: path)
        }
        return type
    }
}
