public import StepEvents

/// What executes runs: a local engine over a store, or a remote orchestrator. Users choose one and give it to their
/// ``Client``; the workflow code is the same on each.
public protocol Driver: Sendable {
    /// Opens what the driver needs: a store, a connection. Nothing is executed before ``DriverSession/run()``.
    ///
    /// - Parameter options: the client's settings.
    /// - Returns: the open session.
    /// - Throws: the driver's errors; nothing stays open then.
    func open(_ options: ClientOptions) async throws -> any DriverSession
}

/// An open driver.
public protocol DriverSession: AnyObject, Sendable {
    /// Makes a workflow known. Its open runs resume once an engine runs.
    ///
    /// - Parameter workflow: the workflow.
    /// - Throws: ``RegistrationError`` when the id is taken; ``UnsupportedByDriver``.
    func register(_ workflow: WorkflowDefinition) throws

    /// Starts a run; durable when it returns.
    ///
    /// - Parameter request: what to start.
    /// - Returns: the run's id, an existing one where the key was known.
    /// - Throws: ``RunKeyConflict``, ``EngineBusy``, the driver's errors.
    func start(_ request: StartRequest) async throws -> RunID

    /// Waits for a run to end.
    ///
    /// - Parameter run: the run.
    /// - Returns: its output.
    /// - Throws: ``RunFailedError``, ``RunCancelledError``, ``RunNotFound``, ``EngineNotRunning``.
    func result(of run: RunID) async throws -> EncodedValue

    /// Finds a run by its key.
    ///
    /// - Parameters:
    ///   - workflow: the workflow's id.
    ///   - key: the run's key.
    /// - Returns: the run, if there is one.
    /// - Throws: the driver's errors.
    func find(workflow: String, key: String) async throws -> RunID?

    /// Describes a run.
    ///
    /// - Parameter run: the run.
    /// - Returns: what is known of it, if it exists.
    /// - Throws: the driver's errors.
    func describe(_ run: RunID) async throws -> RunDescription?

    /// Asks for a run to be cancelled; durable when it returns.
    ///
    /// - Parameters:
    ///   - run: the run.
    ///   - by: who asks.
    ///   - reason: why.
    /// - Throws: ``RunNotFound``, the driver's errors.
    func cancel(_ run: RunID, by: String, reason: String) async throws

    /// Sends a signal; durable when it returns.
    ///
    /// - Parameter signal: the signal.
    /// - Returns: the run that got it, or `nil`.
    /// - Throws: ``InvalidPayloadError``, ``EngineBusy``, the driver's errors.
    func signal(_ signal: SignalRequest) async throws -> RunID?

    /// Executes runs until the task is cancelled or a graceful shutdown is asked for.
    ///
    /// - Throws: what stopped it.
    func run() async throws

    /// Asks ``run()`` to end in order: running bodies get the client's grace, the rest resumes next time.
    func beginShutdown()

    /// Writes what is queued and closes what is open. Further calls throw.
    func close() async
}

/// The bytes of a user's value, as stored.
public struct EncodedValue: Hashable, Sendable {
    package let payload: Payload
    package init(_ payload: Payload) { self.payload = payload }
}

/// A run to be started.
public struct StartRequest: Sendable {
    package var workflow: String
    package var version: UInt32
    package var key: String?
    package var input: Payload
    package var ifExists: ExistingRunPolicy

    package init(workflow: String, version: UInt32, key: String?, input: Payload, ifExists: ExistingRunPolicy) {
        self.workflow = workflow
        self.version = version
        self.key = key
        self.input = input
        self.ifExists = ifExists
    }
}

/// A signal to be sent.
public struct SignalRequest: Sendable {
    package var name: String
    package var payload: Payload
    package var disposition: SignalDisposition
    package var idempotencyKey: String?
    package var delivery: SignalDelivery

    package init(
        name: String, payload: Payload, disposition: SignalDisposition, idempotencyKey: String?,
        delivery: SignalDelivery = .first
    ) {
        self.name = name
        self.payload = payload
        self.delivery = delivery
        self.disposition = disposition
        self.idempotencyKey = idempotencyKey
    }
}

/// What is known of a run without its history.
public struct RunDescription: Hashable, Sendable {
    /// The run.
    public let id: RunID
    /// Its workflow.
    public let workflow: String
    /// The id that it was started with.
    public let key: String?
    /// Where it stands.
    public let status: RunStatus
    /// What was recorded of the error that ended it, holds it, or made its function run again.
    public let failure: Failure?

    package init(id: RunID, workflow: String, key: String?, status: RunStatus, failure: Failure?) {
        self.id = id
        self.workflow = workflow
        self.key = key
        self.status = status
        self.failure = failure
    }
}
