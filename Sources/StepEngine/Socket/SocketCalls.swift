import Glibc

/// The system's socket calls, as the engine and its clients need them. Nothing here waits unless it says so.
enum SocketCalls {
    enum Received {
        case bytes(Int)
        case nothingYet
        /// The other side closed, or the connection is broken.
        case ended
    }

    /// The longest path that an address holds beside its closing zero.
    static let longestPath = MemoryLayout<sockaddr_un>.size - MemoryLayout<sa_family_t>.size - 1

    /// A stream socket which programs that this process starts do not inherit.
    static func make() throws(SocketFailure) -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SocketFailure("socket", errno) }
        return descriptor
    }

    /// Two ends of one connection, which don't block.
    static func makePair() throws(SocketFailure) -> (Int32, Int32) {
        var ends: [Int32] = [-1, -1]
        let kind = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
        guard socketpair(AF_UNIX, Int32(kind), 0, &ends) == 0 else { throw SocketFailure("socketpair", errno) }
        return (ends[0], ends[1])
    }

    static func neverBlock(_ descriptor: Int32) {
        let flags = fcntl(descriptor, F_GETFL)
        _ = fcntl(descriptor, F_SETFL, max(0, flags) | O_NONBLOCK)
    }

    static func bind(_ descriptor: Int32, to path: String) throws(SocketFailure) {
        let code = try withAddress(path) { Glibc.bind(descriptor, $0, $1) }
        guard code == 0 else { throw SocketFailure("bind \(path)", errno) }
    }

    /// Connects; waits while the listener's queue is full, as long as the socket's timeout says.
    static func connect(_ descriptor: Int32, to path: String) throws(SocketFailure) {
        while true {
            let code = try withAddress(path) { Glibc.connect(descriptor, $0, $1) }
            if code == 0 || errno == EISCONN { return }
            guard errno == EINTR else { throw SocketFailure("connect to \(path)", errno) }
        }
    }

    /// Bounds how long a blocking call on the socket waits.
    static func setTimeout(_ descriptor: Int32, seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, size)
    }

    private typealias AcceptCall =
        @convention(c) (Int32, UnsafeMutablePointer<sockaddr>?, UnsafeMutablePointer<socklen_t>?, Int32) -> Int32

    /// `accept4` is a GNU extension that Swift's module of the C library leaves out. Without it a program that another
    /// thread starts between the two calls that take its place would inherit the connection.
    private static let accept4: AcceptCall? = dlsym(nil, "accept4").map { unsafeBitCast($0, to: AcceptCall.self) }

    /// Takes a connection, which does not block; `nil` sets `errno`.
    static func accept(_ listener: Int32) -> Int32? {
        while true {
            let descriptor: Int32
            if let accept4 {
                descriptor = accept4(listener, nil, nil, Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue))
            } else {
                descriptor = Glibc.accept(listener, nil, nil)
                if descriptor >= 0 {
                    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
                    neverBlock(descriptor)
                }
            }
            if descriptor >= 0 { return descriptor }
            guard errno == EINTR || errno == ECONNABORTED else { return nil }
        }
    }

    static func receive(_ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer) -> Received {
        while true {
            let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
            if count > 0 { return .bytes(count) }
            if count == 0 { return .ended }
            if errno == EINTR { continue }
            return errno == EAGAIN || errno == EWOULDBLOCK ? .nothingYet : .ended
        }
    }

    /// Sends what goes; `nil` when the connection is broken.
    static func send(_ descriptor: Int32, _ bytes: ArraySlice<UInt8>) -> Int? {
        bytes.withUnsafeBytes { buffer in
            while true {
                // Not to be ended by a signal for a peer that went away.
                let count = Glibc.send(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
                if count >= 0 { return count }
                if errno == EINTR { continue }
                return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : nil
            }
        }
    }

    /// The user whose process listens at the other end, or connected to it.
    static func peerUser(_ descriptor: Int32) -> uid_t? {
        // Its process, its user, its group.
        var credentials: (pid_t, uid_t, gid_t) = (0, .max, .max)
        var size = socklen_t(MemoryLayout<(pid_t, uid_t, gid_t)>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 else { return nil }
        return credentials.1
    }

    private static func withAddress(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws(SocketFailure) -> Int32 {
        let bytes = Array(path.utf8)
        guard bytes.count <= longestPath, !bytes.contains(0) else { throw SocketFailure("address", ENAMETOOLONG) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}

/// What the system refused.
package struct SocketFailure: Error, Hashable, CustomStringConvertible {
    var operation: String
    var reason: String
    /// Whether nobody listens there.
    var isAbsence: Bool

    init(_ operation: String, _ code: Int32) {
        self.operation = operation
        reason = String(cString: strerror(code))
        isAbsence = code == ENOENT || code == ECONNREFUSED || code == ENOTDIR
    }

    init(_ operation: String, reason: String) {
        self.operation = operation
        self.reason = reason
        isAbsence = false
    }

    package var description: String { "\(operation): \(reason)" }
}
