import Glibc

/// Where commands print to. Collects what they print and writes it in large pieces.
final class Console {
    /// Whoever read the output went away: nothing is left to do.
    struct Closed: Error {}

    /// `nil` where output is only collected.
    let descriptor: Int32?
    private(set) var buffer: [UInt8] = []
    /// Lines for standard error; kept where output is only collected.
    private(set) var complaints: [String] = []

    private static let capacity = 64 << 10

    /// - Parameter descriptor: where output goes; `nil` keeps it in `buffer`.
    init(descriptor: Int32? = nil) { self.descriptor = descriptor }

    func line(_ text: String) throws {
        buffer += text.utf8
        try endLine()
    }

    func line(_ bytes: [UInt8]) throws {
        buffer += bytes
        try endLine()
    }

    private func endLine() throws {
        buffer.append(UInt8(ascii: "\n"))
        if buffer.count >= Self.capacity { try flush() }
    }

    /// Writes what was collected.
    func flush() throws {
        guard let descriptor, !buffer.isEmpty else { return }
        defer { buffer.removeAll(keepingCapacity: true) }
        var start = 0
        while start < buffer.count {
            let count = buffer[start...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                start += count
            } else if errno == EPIPE || errno == EINTR && Interrupt.wasAsked {
                throw Closed()
            } else if errno != EINTR {
                throw CommandFailure(message: "can't write: \(String(cString: strerror(errno)))", status: .failed)
            }
        }
    }

    /// Says in one line on standard error what went wrong.
    func fail(_ message: String, _ status: EndStatus) -> EndStatus {
        // What was printed before the failure is still worth reading.
        try? flush()
        let text = "stepkit: \(printable(message))\n"
        if descriptor == nil {
            complaints.append(text)
        } else {
            text.utf8CString.withUnsafeBytes { _ = write(STDERR_FILENO, $0.baseAddress, $0.count - 1) }
        }
        return status
    }
}
