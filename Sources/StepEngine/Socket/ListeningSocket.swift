import Glibc

/// A socket that listens at a path, and the file that stands for it.
package struct ListeningSocket: Sendable {
    package let descriptor: Int32
    package let place: SocketPlace
    private let device: dev_t
    private let inode: ino_t

    /// Listens. The caller holds the store's engine lock, so a socket that is found there is one that an engine left
    /// behind.
    package init(at place: SocketPlace) throws(SocketFailure) {
        self.place = place
        let path = place.path
        var status = stat()
        if lstat(path, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFSOCK else {
                throw SocketFailure("bind \(path)", reason: "something that is no socket lies there")
            }
            unlink(path)
        }
        let descriptor = try SocketCalls.make()
        do throws(SocketFailure) {
            try SocketCalls.bind(descriptor, to: path)
            // The mode is what the umask left. Nobody can connect before `listen`, so there is no moment to use it.
            guard chmod(path, 0o600) == 0 else { throw SocketFailure("change the mode of \(path)", errno) }
            guard lstat(path, &status) == 0 else { throw SocketFailure("stat \(path)", errno) }
            SocketCalls.neverBlock(descriptor)
            guard listen(descriptor, 128) == 0 else { throw SocketFailure("listen at \(path)", errno) }
        } catch {
            close(descriptor)
            throw error
        }
        self.descriptor = descriptor
        device = status.st_dev
        inode = status.st_ino
    }

    /// Takes the file away, unless another engine has put its own there.
    func removeFile() {
        var status = stat()
        guard lstat(place.path, &status) == 0, status.st_dev == device, status.st_ino == inode else { return }
        unlink(place.path)
        if let directory = place.ownDirectory { rmdir(directory) }
    }
}
