import Glibc

/// Writes marks to a descriptor. One small write each: a pipe takes it whole or not at all, and so does a file that is
/// opened for appending.
package struct MarkWriter: Sendable {
    private let descriptor: Int32

    package init(descriptor: Int32) { self.descriptor = descriptor }

    /// Appends to a file, which is made when it is missing and stays open as long as the process lives.
    package init(appendingTo path: String) {
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    }

    package func callAsFunction(_ mark: Mark) {
        let line = Array("\(mark.line)\n".utf8)
        // Nobody is left to tell when it fails: SIGPIPE ends a worker whose supervisor is gone.
        _ = line.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    }
}
