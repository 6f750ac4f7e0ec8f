import Glibc

/// Keeps programs that this process starts from inheriting the environment's files: LMDB 0.9.24 opens the data file
/// without close-on-exec, and such a program would hold a writable database after this process died.
enum CloseOnExec {
    /// Marks every descriptor of this process that refers to one of `files`.
    ///
    /// LMDB tells only one of its two data descriptors, so all open descriptors are looked at. Between LMDB's open
    /// and this call another thread may start a program that inherits them; open environments before that.
    static func mark(_ files: [EnvironmentRegistry.FileID]) throws {
        guard let directory = unsafe opendir("/proc/self/fd") else {
            throw LMDBError(code: errno, operation: "list descriptors", path: "/proc/self/fd")
        }
        defer { unsafe closedir(directory) }
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let descriptor = Int32(name) else { continue }
            var status = stat()
            guard unsafe fstat(descriptor, &status) == 0, files.contains(.init(status)) else { continue }
            let flags = fcntl(descriptor, F_GETFD)
            guard flags >= 0, fcntl(descriptor, F_SETFD, flags | FD_CLOEXEC) == 0 else {
                throw LMDBError(code: errno, operation: "mark close-on-exec", path: "/proc/self/fd/\(name)")
            }
        }
    }
}
