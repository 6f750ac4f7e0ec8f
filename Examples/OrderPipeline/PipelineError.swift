import Foundation

/// What can go wrong in the example itself, each with what to do next.
enum PipelineError: Error, CustomStringConvertible {
    case usage(String)
    case unreadable(path: String, reason: String)
    case noOrders(path: String)
    case unwritable(path: String, reason: String)
    case toolMissing(path: String)
    case toolFailed(name: String, reason: String)
    case workerEnded(reason: String, log: String, lastWords: String)
    case noProgress(seconds: Int, log: String, lastWords: String)
    case interrupted

    var description: String {
        switch self {
        case .usage(let problem):
            "\(problem)\n\n\(Command.usage)"
        case .unreadable(let path, let reason):
            "cannot read the orders in \(path == "-" ? "standard input" : path): \(reason)"
        case .noOrders(let path):
            "\(path == "-" ? "standard input" : path) holds no order: give a file with one JSON object a line"
        case .unwritable(let path, let reason):
            "cannot write \(path): \(reason); choose another directory with --dir"
        case .toolMissing(let path):
            "\(path) is missing: build all of the package first, with swift build -c release"
        case .toolFailed(let name, let reason):
            "\(name) failed: \(reason)"
        case .workerEnded(let reason, let log, let words):
            "the worker ended by itself: \(reason). Its last words, from \(log):\n\(words)"
        case .noProgress(let seconds, let log, let words):
            "the worker did nothing for \(seconds) s and was stopped. Its last words, from \(log):\n\(words)"
        case .interrupted:
            "interrupted; the worker was stopped too, and the store keeps what was done"
        }
    }

    /// 2 for a command line that makes no sense, 128 + SIGINT for an interruption, 1 for the rest.
    var exitStatus: Int32 {
        switch self {
        case .usage: 2
        case .interrupted: 128 + SIGINT
        default: 1
        }
    }
}

/// The operating system's own words for a Foundation error, where it has any.
func systemReason(_ error: any Error) -> String {
    let error = error as NSError
    let underlying = (error.userInfo[NSUnderlyingErrorKey] as? any Error).map { $0 as NSError }
    guard let cause = [underlying, error].compactMap(\.self).first(where: { $0.domain == NSPOSIXErrorDomain })
    else { return error.localizedDescription }
    return String(cString: strerror(Int32(cause.code)))
}
