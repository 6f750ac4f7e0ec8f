import Glibc

/// This program once more, with other arguments and the same input and output.
struct ChildProcess {
    enum End: Equatable {
        case exited(Int32)
        case signalled(Int32)
    }

    /// What reading damaged pages can lead to.
    static let faults: Set<Int32> = [SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTRAP]

    private let id: pid_t

    /// - Parameter arguments: the name of the program and its arguments.
    /// - Throws: `CommandFailure` when the system starts no more processes.
    init(_ arguments: [String]) throws {
        let environment = Self.environment()
        var id: pid_t = 0
        let code = withCStrings(arguments) { arguments in
            withCStrings(environment) { environment in
                posix_spawn(&id, "/proc/self/exe", nil, nil, arguments, environment)
            }
        }
        guard code == 0 else {
            throw CommandFailure(
                message: "can't start the check: \(String(cString: strerror(code)))", status: .failed)
        }
        self.id = id
    }

    func wait() throws -> End {
        var status: Int32 = 0
        while waitpid(id, &status, 0) < 0 {
            guard errno == EINTR else {
                throw CommandFailure(
                    message: "can't wait for the check: \(String(cString: strerror(errno)))", status: .failed)
            }
        }
        let signal = status & 0x7F
        return signal == 0 ? .exited(status >> 8 & 0xFF) : .signalled(signal)
    }

    /// Ours, without the minute-long account that Swift's runtime would give of a crash.
    private static func environment() -> [String] {
        var variables: [String] = []
        var next = environ
        while let variable = next.pointee {
            let text = String(cString: variable)
            if !text.hasPrefix("SWIFT_BACKTRACE=") { variables.append(text) }
            next += 1
        }
        return variables + ["SWIFT_BACKTRACE=enable=no"]
    }
}

/// Lends texts as C wants them: pointers to their bytes, then a null.
private func withCStrings<Result>(
    _ texts: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
    let pointers = texts.map { strdup($0) }
    defer { pointers.forEach { free($0) } }
    return body(pointers + [nil])
}
