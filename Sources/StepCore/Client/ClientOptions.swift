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
    /// How long a run that does nothing but wait stays in memory although there is room; for ever by default. A second
    /// is the shortest time that counts.
    ///
    /// A parked run costs no memory, but its function is called again from the beginning when what it waits for
    /// comes, which takes the longer the more steps it has behind it. Use this where runs wait for days and memory is
    /// short; `maxResidentRuns` alone lets go of no more runs than it must.
    ///
    /// Runs inside `context.outside`, and those of workflows with `parking: .never`, stay. A function that waits for
    /// something that is no step (a request to another service, say) beside a step that waits counts as doing nothing
    /// else: declare such work by `context.outside`, or it is cut off.
    public var parkAfter: Duration?
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
        parkAfter = nil
        maxInterruptions = 10
        shutdownGrace = .seconds(10)
        abandonAfter = .seconds(30)
    }
}
