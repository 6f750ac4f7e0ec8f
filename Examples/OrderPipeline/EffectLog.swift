import Foundation

/// What an attempt did to the outside world: one line of `effects.jsonl`.
struct Effect: Codable, Sendable, Equatable {
    var run: String
    var order: String
    var scope: String
    var step: String
    var occurrence: Int
    var attempt: Int
    var totalCents: Int
}

/// The outside world. It knows nothing of the engine's log, which is why the two can be held against each other.
struct EffectLog: Sendable {
    private let descriptor: Int32
    private let path: String

    init(path: String) throws(PipelineError) {
        self.path = path
        descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .unwritable(path: path, reason: String(cString: strerror(errno))) }
    }

    /// Appends one effect with a single write: a process killed at any instant leaves the whole line or none of it,
    /// and what another process appends at the same time never gets between.
    func append(_ effect: Effect) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        var line = try encoder.encode(effect)
        line.append(UInt8(ascii: "\n"))
        let written = line.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        guard written == line.count else {
            let reason = written < 0 ? String(cString: strerror(errno)) : "only \(written) bytes fitted"
            throw PipelineError.unwritable(path: path, reason: reason)
        }
    }
}
