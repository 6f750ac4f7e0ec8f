import StepKit

/// An error that the log keeps whole.
struct Declined: Error, Codable, Hashable, CustomStringConvertible {
    var code: Int
    var description: String { "declined with code \(code)" }
}

/// An error of which only the type's name and a description can be kept.
struct Opaque: Error, CustomStringConvertible {
    var description: String { "something opaque" }
}

/// What the run failed with, or nothing when it did not fail.
func failure<Output>(of run: Run<Output>) async throws -> Failure? {
    do {
        _ = try await run.result()
        return nil
    } catch let error as RunFailedError {
        return error.failure
    }
}

/// Encodes, but what it encodes to does not decode.
struct OneWay: Codable, Sendable {
    init() {}

    init(from decoder: any Decoder) throws { throw Opaque() }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(1)
    }
}
