import Glibc
import StepEvents
import StepLocks

/// Lets one engine own a store. A lock of the kernel, so it ends with the process; on a file of its own, never on
/// LMDB's. The file says who holds it, and where that engine listens.
final class EngineLock: Sendable {
    static let name = "engine.lock"
    private let path: String
    private let boot: String?
    /// `nil` once released.
    private let descriptor: Locked<Int32?>
    /// Whether the file was not there before.
    private let isNew: Bool
    /// Whether the engine before this one had the store since the system was started: then its process may have died,
    /// but the power has not failed.
    let isSameBoot: Bool

    /// `boot` names the present run of the system.
    init(directory: String, boot: String? = SystemBoot.id) throws(StoreError) {
        let path = "\(directory)/\(Self.name)"
        self.path = path
        var isNew = true
        var descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        if descriptor < 0, errno == EEXIST {
            isNew = false
            descriptor = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC)
        }
        guard descriptor >= 0 else { throw Self.failure("open", directory) }
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            if errno == EINTR { continue }
            let refused = errno == EWOULDBLOCK
            let error = Self.failure("lock", directory)
            let holder = refused ? EngineHolder.read(path) : nil
            close(descriptor)
            guard refused else { throw error }
            let who = holder?.pid.map { "process \($0)" } ?? "another process"
            throw StoreError(.inUse(pid: holder?.pid), "\(who) has the store open as its engine", path: directory)
        }
        isSameBoot = boot != nil && EngineHolder.read(path)?.boot == boot
        self.boot = boot
        self.descriptor = Locked(descriptor)
        self.isNew = isNew
        note(socket: nil)
    }

    deinit { release() }

    /// Lets another engine have the store.
    func release() {
        descriptor.withLock { descriptor in
            if let open = descriptor {
                // Closing alone would leave it locked while a process that is being started has a copy.
                flock(open, LOCK_UN)
                close(open)
            }
            descriptor = nil
        }
    }

    /// Writes down who holds the lock, and where it listens. Others only read it to tell their users.
    func note(socket: String?) {
        var text = "pid \(getpid())\n"
        if let boot { text += "boot \(boot)\n" }
        if let socket { text += "socket \(socket)\n" }
        let bytes = Array(text.utf8)
        // Without the note the lock holds all the same; the refused just can't say who holds it.
        descriptor.withLock { descriptor in
            guard let descriptor, ftruncate(descriptor, 0) == 0 else { return }
            _ = pwrite(descriptor, bytes, bytes.count, 0)
        }
    }

    /// Takes the file away again if it was not there before: the directory turned out not to be a store.
    func withdraw() {
        if isNew { unlink(path) }
    }

    private static func failure(_ operation: String, _ directory: String) -> StoreError {
        let code: StoreError.Code = errno == EACCES || errno == EPERM || errno == ELOOP ? .unusable : .system
        return StoreError(code, "\(operation) \(name): \(String(cString: strerror(errno)))", path: directory)
    }
}

/// What `engine.lock` says of the engine that holds it, or that held it last.
package struct EngineHolder: Hashable, Sendable {
    package var pid: Int32?
    package var socket: String?
    /// Names the run of the system in which it had the store.
    var boot: String?

    /// Reads the note in a store's directory; `nil` when no engine ever had it open.
    package static func of(directory: String) -> EngineHolder? { read("\(directory)/\(EngineLock.name)") }

    static func read(_ path: String) -> EngineHolder? {
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1_024)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count >= 0 else { return nil }
        var holder = EngineHolder()
        for line in String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n") {
            if line.hasPrefix("pid ") { holder.pid = Int32(line.dropFirst(4)) }
            if line.hasPrefix("boot ") { holder.boot = String(line.dropFirst(5)) }
            if line.hasPrefix("socket ") { holder.socket = String(line.dropFirst(7)) }
        }
        return holder
    }
}
