import Foundation

/// SIGINT and SIGTERM made readable: each puts a byte into a pipe, so that one poll waits for them and for a child.
final class Interrupts {
    private let pipe = Pipe()
    private let sources: [any DispatchSourceSignal]

    var descriptor: Int32 { pipe.fileHandleForReading.fileDescriptor }

    init() {
        let writing = pipe.fileHandleForWriting.fileDescriptor
        sources = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                var byte = UInt8(ascii: "!")
                _ = write(writing, &byte, 1)
            }
            source.resume()
            return source
        }
    }
}

/// A child process, its standard output read here.
final class ChildProcess {
    /// What there is to notice about a child.
    enum Sign {
        case output(Data)
        case quiet
        /// The user wants us to stop.
        case interrupted
        /// It closed its output: it is dead, or about to be.
        case ended
    }

    enum End: Equatable, CustomStringConvertible {
        case exited(Int32)
        case signalled(Int32)

        var description: String {
            switch self {
            case .exited(let status): "it exited with status \(status)"
            case .signalled(let number): "signal \(number) ended it"
            }
        }
    }

    private let process = Process()
    private let output: PrivatePipe
    private let interrupts: Interrupts

    init(
        _ program: String, _ arguments: [String], errors: FileHandle, interrupts: Interrupts
    ) throws(PipelineError) {
        self.interrupts = interrupts
        output = try PrivatePipe()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output.writing
        process.standardError = errors
        do {
            try process.run()
        } catch {
            throw .toolFailed(name: program, reason: systemReason(error))
        }
        // The child has its copy; its end shows only when this one is closed.
        try? output.writing.close()
    }

    /// Waits for the next sign.
    func next(within limit: Duration) -> Sign {
        let reading = output.reading.fileDescriptor
        var polled = [
            pollfd(fd: interrupts.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: reading, events: Int16(POLLIN), revents: 0),
        ]
        let milliseconds = max(0, (limit / .milliseconds(1)).rounded(.up))
        guard poll(&polled, nfds_t(polled.count), Int32(milliseconds)) > 0 else { return .quiet }
        if polled[0].revents != 0 { return .interrupted }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = read(reading, &buffer, buffer.count)
        if count < 0 { return errno == EINTR ? .quiet : .ended }
        return count == 0 ? .ended : .output(Data(buffer[..<count]))
    }

    /// Ends it this instant; it gets no chance to tidy up.
    func kill() {
        _ = Foundation.kill(process.processIdentifier, SIGKILL)
    }

    func wait() -> End {
        process.waitUntilExit()
        let status = process.terminationStatus
        return process.terminationReason == .uncaughtSignal ? .signalled(status) : .exited(status)
    }
}
