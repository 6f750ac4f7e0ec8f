package import Logging
import StepEvents
import StepLocks

/// Keeps what is logged.
package final class LogRecorder: Sendable {
    package struct Line: Sendable {
        package let level: Logger.Level
        package let message: String
        package let metadata: Logger.Metadata
    }

    private let kept = Locked<[Line]>([])

    package init() {}

    package var lines: [Line] { kept.withLock { $0 } }
    package var messages: [String] { lines.map(\.message) }

    package var logger: Logger {
        var logger = Logger(label: "test") { _ in Handler(recorder: self) }
        logger.logLevel = .trace
        return logger
    }

    fileprivate func add(_ line: Line) { kept.withLock { $0.append(line) } }
}

private struct Handler: LogHandler {
    let recorder: LogRecorder
    var logLevel = Logger.Level.trace
    var metadata: Logger.Metadata = [:]

    init(recorder: LogRecorder) { self.recorder = recorder }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        recorder.add(
            LogRecorder.Line(
                level: event.level, message: "\(event.message)",
                metadata: metadata.merging(event.metadata ?? [:], uniquingKeysWith: { $1 })))
    }
}
