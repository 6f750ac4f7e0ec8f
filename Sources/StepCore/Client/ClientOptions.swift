public import Logging

/// Settings of a client.
public struct ClientOptions: Sendable {
    /// Names the client in logs and in what it records.
    public var clientID: String
    /// Where the client logs.
    public var logger: Logger
    /// When a failed step is tried again, unless the step says otherwise.
    public var defaultRetry: RetryPolicy
    /// The largest input, result, output or signal in bytes; at most 64 MiB.
    public var payloadLimit: Int
    /// How many runs may be in memory; beyond it the longest waiting are parked and new ones queue.
    public var maxResidentRuns: Int
    /// How often a crash may interrupt a step before it fails with ``StepInterruptedError``.
    public var maxInterruptions: Int
    /// How long running bodies may go on after a graceful shutdown was asked for.
    public var shutdownGrace: Duration
    /// How long the next attempt waits for the body of one that timed out.
    public var abandonAfter: Duration

    /// Makes settings.
    ///
    /// - Parameters:
    ///   - clientID: names the client in logs and in what it records.
    ///   - logger: where the client logs.
    public init(clientID: String, logger: Logger = Logger(label: "stepkit")) {
        self.clientID = clientID
        self.logger = logger
        defaultRetry = .default
        payloadLimit = 4 << 20
        maxResidentRuns = 10_000
        maxInterruptions = 10
        shutdownGrace = .seconds(10)
        abandonAfter = .seconds(30)
    }
}
