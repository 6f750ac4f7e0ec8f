import Foundation

/// What the worker tells the supervisor while it works: one word a line.
enum Mark: String {
    case bodyBegan = "began"
    case bodySucceeded = "succeeded"
    case bodyFailed = "failed"
    case orderFinished = "order-finished"
    case orderFailed = "order-failed"
}

/// Writes marks to standard output. One small write each: a pipe takes it whole or not at all.
struct MarkWriter: Sendable {
    var isOn: Bool

    func write(_ mark: Mark) {
        guard isOn else { return }
        let line = Array("\(mark.rawValue)\n".utf8)
        // The result is of no use: when the supervisor is gone, SIGPIPE ends the worker, as it should.
        _ = line.withUnsafeBytes { Foundation.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
    }
}

/// Cuts bytes as they come into lines.
struct LineSplitter {
    private var rest: [UInt8] = []

    /// The lines that these bytes complete. A last line without its end stays for the next call.
    mutating func lines(adding bytes: some Sequence<UInt8>) -> [String] {
        var lines: [String] = []
        for byte in bytes {
            if byte == UInt8(ascii: "\n") {
                lines.append(String(decoding: rest, as: UTF8.self))
                rest.removeAll(keepingCapacity: true)
            } else {
                rest.append(byte)
            }
        }
        return lines
    }
}
