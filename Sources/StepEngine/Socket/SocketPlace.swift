import Glibc

/// The path at which the engine of a store listens.
package struct SocketPlace: Hashable, Sendable {
    package static let name = "engine.sock"

    package var path: String
    /// A directory that exists for the socket alone.
    package var ownDirectory: String?

    package init(path: String, ownDirectory: String? = nil) {
        self.path = path
        self.ownDirectory = ownDirectory
    }

    /// In the store's directory, as others name it as well; `nil` where that makes a path too long for an address.
    static func beside(_ directory: String) -> String? {
        let path = "\(absolute(directory))/\(name)"
        return path.utf8.count <= SocketCalls.longestPath ? path : nil
    }

    /// Where to listen for a store. In a store's directory with too long a path it is the user's runtime directory, or a
    /// private one; whoever comes later for the same store finds the same place, so that nothing piles up.
    package static func choose(
        for directory: String, runtimeDirectory: String? = getenv("XDG_RUNTIME_DIR").map { String(cString: $0) }
    ) throws(SocketFailure) -> SocketPlace {
        if let path = beside(directory) { return SocketPlace(path: path) }
        var status = stat()
        guard stat(directory, &status) == 0 else { throw SocketFailure("stat \(directory)", errno) }
        let store = "\(String(status.st_dev, radix: 16))-\(String(status.st_ino, radix: 16))"
        if let runtimeDirectory, runtimeDirectory.hasPrefix("/"), isPrivate(runtimeDirectory) {
            let path = "\(runtimeDirectory)/stepkit-\(store).sock"
            if path.utf8.count <= SocketCalls.longestPath { return SocketPlace(path: path) }
        }
        var own = "/tmp/stepkit-\(geteuid())-\(store)"
        if mkdir(own, 0o700) != 0 {
            guard errno == EEXIST else { throw SocketFailure("make directory \(own)", errno) }
            // Anyone may have made it. Then one of a name that nobody can know.
            if !isPrivate(own) { own = try makeUnique("/tmp/stepkit-XXXXXX") }
        }
        return SocketPlace(path: "\(own)/\(name)", ownDirectory: own)
    }

    private static func isPrivate(_ directory: String) -> Bool {
        var status = stat()
        return lstat(directory, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
            && status.st_uid == geteuid() && status.st_mode & 0o077 == 0
    }

    private static func makeUnique(_ template: String) throws(SocketFailure) -> String {
        var bytes = template.utf8CString.map { $0 }
        guard mkdtemp(&bytes) != nil else { throw SocketFailure("make directory \(template)", errno) }
        return String(decoding: bytes.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The path without links and dots, so that every process has the same one, wherever it stands.
    private static func absolute(_ directory: String) -> String {
        guard let resolved = realpath(directory, nil) else { return directory }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
