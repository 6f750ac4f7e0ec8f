import CrashWorkload
import Foundation

/// One life of the worker, seen from outside. The only file of these tests that reads the clock: a worker is killed at
/// moments of its life, and one that hangs must be told from one that works.
struct WorkerProcess {
    /// How a life ended, and what the worker told until then.
    struct Life {
        enum End: Equatable {
            case exited(Int32)
            case signalled(Int32)
            /// It did not come to an end in time, and was killed for that.
            case hung
        }

        var end: End
        var marks: [Mark]

        func finished() -> Bool { end == .exited(WorkerLife.End.finished.rawValue) }
    }

    /// From when the moment of death is counted.
    enum Death {
        case sinceBirth(microseconds: Int)
        case sinceReady(microseconds: Int)
        case never
    }

    /// What no life takes, on the slowest machine.
    private static let patience: UInt64 = 60_000_000_000

    /// Nanoseconds on a clock that no one sets.
    static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// The worker lies beside the tests.
    private static let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent().appending(path: "CrashWorker").path

    /// Starts a worker and stays with it until it is dead. `hear` gets each mark as it comes.
    static func live(
        _ orders: WorkerOrders, environment: [String: String] = [:], death: Death = .never,
        hear: (Mark) -> Void = { _ in }
    ) throws -> Life {
        let (process, output) = try spawn(orders, environment)
        defer { close(output) }
        var reader = MarkReader()
        let born = now
        var deadline: UInt64?
        if case .sinceBirth(let microseconds) = death { deadline = born + UInt64(microseconds) * 1_000 }
        var isKilled = false
        var hung = false
        while true {
            let until = deadline.map { min($0, born + patience) } ?? born + patience
            let time = now
            let left = until > time ? until - time : 0
            var polled = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
            // Of the last millisecond it looks again and again, so that a death may come at any microsecond.
            let count = poll(&polled, 1, Int32(left / 1_000_000))
            if count == 0, left >= 1_000 { continue }
            if count == 0, !isKilled {
                isKilled = true
                hung = now >= born + patience
                kill(process, SIGKILL)
                deadline = nil
            } else if count > 0 {
                let known = reader.marks.count
                guard try reader.read(output) else { break }
                for mark in reader.marks[known...] { hear(mark) }
                if case .sinceReady(let microseconds) = death, !isKilled, deadline == nil,
                    reader.marks[known...].contains(.ready)
                {
                    deadline = now + UInt64(microseconds) * 1_000
                }
            }
        }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        let signal = status & 0x7F
        return Life(
            end: hung ? .hung : signal == 0 ? .exited(status >> 8 & 0xFF) : .signalled(signal), marks: reader.marks)
    }

    private static func spawn(
        _ orders: WorkerOrders, _ environment: [String: String]
    ) throws -> (process: pid_t, output: Int32) {
        var ends: [Int32] = [-1, -1]
        // Not a pipe: only these are made, in one call, so that no process started meanwhile inherits them.
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
        }
        defer { close(ends[1]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
        let json = String(decoding: try JSONEncoder().encode(orders), as: UTF8.self)
        var variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        // A crash report would take longer than the life that it reports.
        variables["SWIFT_BACKTRACE"] = "enable=no"
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup(program), strdup(json), nil]
        var strings: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in arguments + strings { free(pointer) } }
        var process = pid_t()
        let code = posix_spawn(&process, program, &actions, nil, &arguments, &strings)
        guard code == 0 else {
            close(ends[0])
            throw WorkerMissing(program: program, reason: String(cString: strerror(code)))
        }
        return (process, ends[0])
    }
}

struct WorkerMissing: Error, CustomStringConvertible {
    var program: String
    var reason: String

    var description: String { "\(program) can't be started: \(reason). Build everything: `swift build --build-tests`" }
}

/// Takes marks from a pipe as they come.
private struct MarkReader {
    private(set) var marks: [Mark] = []
    private var rest: [UInt8] = []

    /// Reads what is there; returns whether there can be more.
    mutating func read(_ descriptor: Int32) throws -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = Foundation.read(descriptor, &buffer, buffer.count)
        if count < 0, errno == EINTR { return true }
        guard count > 0 else { return false }
        for byte in buffer[..<count] {
            if byte == UInt8(ascii: "\n") {
                let line = String(decoding: rest, as: UTF8.self)
                guard let mark = Mark(line: line) else { throw UnreadableMark(line: line) }
                marks.append(mark)
                rest.removeAll(keepingCapacity: true)
            } else {
                rest.append(byte)
            }
        }
        return true
    }
}

struct UnreadableMark: Error {
    var line: String
}
