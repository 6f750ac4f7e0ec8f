import Glibc
import StepLocks

/// Which data files this process has open.
///
/// LMDB lets one process open an environment twice and answers success; closing one of them then drops the locks of
/// the other, because POSIX record locks belong to a process and a file. A later opener elsewhere would reset the
/// reader table under live readers. So a file is claimed here before anything opens it.
enum EnvironmentRegistry {
    /// A file, whatever path led to it.
    struct FileID: Hashable, Sendable {
        var device: UInt64
        var inode: UInt64

        init(_ status: stat) {
            device = UInt64(status.st_dev)
            inode = UInt64(status.st_ino)
        }
    }

    private static let open = Locked<Set<FileID>>([])

    static func claim(_ file: FileID, path: String) throws {
        guard open.withLock({ $0.insert(file).inserted }) else { throw OpenRefusal.alreadyOpenInProcess(path: path) }
    }

    static func release(_ file: FileID) {
        open.withLock { _ = $0.remove(file) }
    }
}
