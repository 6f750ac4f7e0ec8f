import CLMDB
import Glibc

extension Environment {
    /// The names of directories in which environments are put together begin with this.
    private static let creationPrefix = ".creating-"
    /// More than what a first commit of a few tables takes.
    private static let creationBytes = 64 << 10

    /// Creates an environment, with what `initialise` writes as its first commit, and opens it.
    ///
    /// It is put together in a directory of its own inside `directory`, synced, and renamed into place, so a crash at
    /// any moment leaves either no environment or a complete one. The directory is made (0700) if it is missing; its
    /// parent must exist. Tables opened in `initialise` are good there only; open them again afterwards.
    package static func create(
        directory: String, options: Options = Options(), initialise: (WriteTransaction) throws -> Void
    ) throws -> Environment {
        try makeDirectory(directory)
        try FileChecks.checkDirectory(directory)
        let fileSystem = try FileChecks.checkFileSystem(directory, options)
        let lock = try lockDirectory(directory, waiting: true)
        defer { if let lock { Glibc.close(lock) } }
        guard try !exists(directory: directory) else { throw OpenRefusal.alreadyExists(path: directory) }
        // Whoever holds the lock is the only creator: what lies there is left from a crash.
        removeCreations(in: directory)

        let work = "\(directory)/\(creationPrefix)\(getpid())"
        guard unsafe mkdir(work, 0o700) == 0 else {
            throw LMDBError(code: errno, operation: "make directory", path: work)
        }
        defer { remove(creation: work) }
        try fill(work, options: options, fileSystem: fileSystem, initialise: initialise)
        let target = "\(directory)/\(FileChecks.dataName)"
        guard unsafe rename("\(work)/\(FileChecks.dataName)", target) == 0 else {
            throw LMDBError(code: errno, operation: "rename", path: target)
        }
        try syncDirectory(directory)
        // Also when the directory was there: whoever made it may have been killed before it was synced.
        try syncDirectory(parent(of: directory))
        return try open(directory: directory, options: options)
    }

    /// Makes a directory for an environment (0700) unless it is there. `create` syncs its name.
    package static func makeDirectory(_ directory: String) throws {
        if unsafe mkdir(directory, 0o700) == 0 {
            // The mode passed the umask; take away nothing, grant nothing to others.
            unsafe chmod(directory, 0o700)
        } else if errno != EEXIST {
            throw LMDBError(code: errno, operation: "make directory", path: directory)
        }
    }

    /// Writes the first commit into a new file in `work`, and syncs it.
    private static func fill(
        _ work: String, options: Options, fileSystem: FileSystemType, initialise: (WriteTransaction) throws -> Void
    ) throws {
        let path = "\(work)/\(FileChecks.dataName)"
        let descriptor = unsafe Glibc.open(path, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw LMDBError(code: errno, operation: "create", path: path) }
        defer { Glibc.close(descriptor) }
        var status = stat()
        guard fchmod(descriptor, 0o600) == 0, unsafe fstat(descriptor, &status) == 0 else {
            throw LMDBError(code: errno, operation: "create", path: path)
        }
        // A full disk shows here and not half-way through a write. File systems that can't do this say so later.
        if stepkit_reserve(descriptor, 0, creationBytes) != 0, [ENOSPC, EDQUOT, EFBIG].contains(errno) {
            throw LMDBError(code: errno, operation: "create", path: path)
        }
        let file = EnvironmentRegistry.FileID(status)
        try EnvironmentRegistry.claim(file, path: work)
        var options = options
        options.readOnly = false
        let environment: Environment
        do {
            let handle = try openHandle(directory: work, options: options, mapSize: options.mapSize, smallestMap: 0)
            environment = try adopt(handle, directory: work, options: options, fileSystem: fileSystem, file: file)
        } catch {
            EnvironmentRegistry.release(file)
            throw error
        }
        defer { environment.close() }
        try environment.write(initialise)
        try environment.sync()
        // LMDB flushes data, not the file's length and mode.
        guard fsync(descriptor) == 0 else { throw LMDBError(code: errno, operation: "sync", path: path) }
    }

    /// Removes what a crash during creation left, unless a creation is going on.
    static func removeStaleCreation(in directory: String) {
        guard let lock = try? lockDirectory(directory, waiting: false) else { return }
        removeCreations(in: directory)
        Glibc.close(lock)
    }

    /// Holds off other creators, in this process and others, until the descriptor is closed; nil when not `waiting`
    /// and another holds it. The lock is on the directory, never on a file of LMDB's. — flock
    private static func lockDirectory(_ directory: String, waiting: Bool) throws -> Int32? {
        let descriptor = unsafe Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw LMDBError(code: errno, operation: "open", path: directory) }
        while flock(descriptor, LOCK_EX | (waiting ? 0 : LOCK_NB)) != 0 {
            let code = errno
            if code == EINTR { continue }
            Glibc.close(descriptor)
            if code == EWOULDBLOCK { return nil }
            throw LMDBError(code: code, operation: "lock", path: directory)
        }
        return descriptor
    }

    private static func removeCreations(in directory: String) {
        guard let stream = unsafe opendir(directory) else { return }
        defer { unsafe closedir(stream) }
        var stale: [String] = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasPrefix(creationPrefix) { stale.append("\(directory)/\(name)") }
        }
        for path in stale { remove(creation: path) }
    }

    private static func remove(creation path: String) {
        unsafe unlink("\(path)/\(FileChecks.dataName)")
        unsafe unlink("\(path)/\(FileChecks.lockName)")
        unsafe rmdir(path)
    }

    private static func parent(of path: String) -> String {
        var trimmed = Substring(path)
        while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
        guard let slash = trimmed.lastIndex(of: "/") else { return "." }
        return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
    }

    /// Makes the names in a directory durable. — fsync
    package static func syncDirectory(_ path: String) throws {
        let descriptor = unsafe Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw LMDBError(code: errno, operation: "open", path: path) }
        defer { Glibc.close(descriptor) }
        guard fsync(descriptor) == 0 else { throw LMDBError(code: errno, operation: "sync", path: path) }
    }
}
