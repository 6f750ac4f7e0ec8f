import Glibc

/// The witness as a file beside the database.
struct WitnessFile: WitnessStorage {
    static let name = "witness"
    let path: String
    private let directory: String

    init(directory: String) {
        self.directory = directory
        path = "\(directory)/\(Self.name)"
    }

    var exists: Bool { access(path, F_OK) == 0 }

    func read() throws(StoreError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return [] }
            throw failure("open")
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 2 * Witness.slotBytes)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count >= 0 else { throw failure("read") }
        return Array(bytes[..<count])
    }

    /// Opened anew each time (at most once a second), so that a file put in its place is noticed.
    func write(_ bytes: [UInt8], at offset: Int) throws(StoreError) {
        let flags = O_WRONLY | O_DSYNC | O_NOFOLLOW | O_CLOEXEC
        var descriptor = open(path, flags)
        let isNew = descriptor < 0 && errno == ENOENT
        if isNew { descriptor = open(path, flags | O_CREAT, 0o600) }
        guard descriptor >= 0 else { throw failure("open") }
        defer { close(descriptor) }
        let count = pwrite(descriptor, bytes, bytes.count, off_t(offset))
        guard count == bytes.count else {
            // A write that stops half-way is what a full disk looks like.
            if count >= 0 { errno = ENOSPC }
            throw failure("write")
        }
        guard isNew else { return }
        // A file whose name is lost with the power is no witness; and its mode passed the umask.
        let parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard parent >= 0 else { throw failure("open the directory of") }
        defer { close(parent) }
        guard fchmod(descriptor, 0o600) == 0, fsync(parent) == 0 else { throw failure("sync the directory of") }
    }

    private func failure(_ operation: String) -> StoreError {
        let code: StoreError.Code = [ENOSPC, EDQUOT, EFBIG].contains(errno) ? .storageFull : .system
        return StoreError(code, "\(operation) the witness: \(String(cString: strerror(errno)))", path: path)
    }
}
