public import StepEvents

/// A step failed for good: its attempts are exhausted, or no further one made sense.
///
/// The error that the body threw is kept as it was recorded; where it was `Codable` it can be had back:
///
/// ```swift
/// do { try await step.run("charge", throwing: CardError.self) { … } }
/// catch let error as StepError {
///     if let card = error.original(as: CardError.self) { … }
/// }
/// ```
public struct StepError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The run whose step failed. For a failed child, the child's run.
    public let runID: RunID
    /// The step.
    public let step: StepKey
    /// How many attempts were made.
    public let attempts: Int
    /// What was recorded of the last attempt's error.
    public let failure: Failure

    package init(runID: RunID, step: StepKey, attempts: Int, failure: Failure) {
        self.runID = runID
        self.step = step
        self.attempts = attempts
        self.failure = failure
    }

    /// The name of the original error's type, with its module.
    public var typeName: String { failure.type }

    /// What the original error said of itself.
    public var message: String { failure.message }

    /// The original error, decoded from what was recorded.
    ///
    /// - Parameter type: the type that was thrown.
    /// - Returns: `nil` when another type was thrown, it was not `Encodable`, or it no longer decodes.
    public func original<Original: Error & Decodable>(as type: Original.Type) -> Original? {
        guard failure.type == String(reflecting: type), let fields = failure.fields else { return nil }
        return try? PayloadCoder.decode(type, from: fields)
    }

    /// What failed, how often, and why.
    public var description: String {
        let tries = attempts == 1 ? "1 attempt" : "\(attempts) attempts"
        return "step \(step) of run \(runID) failed after \(tries): \(failure.message) (\(failure.type))"
    }
}
