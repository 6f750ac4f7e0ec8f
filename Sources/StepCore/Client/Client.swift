public import Logging
public import ServiceLifecycle
public import StepEvents

/// The front door: registers workflows, starts runs of them, sends signals, and, as a service, executes them.
///
/// ```swift
/// let client = try await Client(id: "shop", driver: .lmdb(path: "/var/lib/shop"))
/// let processOrder = client.workflow("process-order", input: Order.self) { context, step in … }
/// try await ServiceGroup(services: [client], logger: logger).run()
/// ```
///
/// Runs can be started as soon as the client exists; they are executed while ``run()`` is.
public final class Client: Service {
    /// Names the client in logs and in what it records.
    public let id: String
    let session: any DriverSession
    let options: ClientOptions

    /// Opens the driver.
    ///
    /// - Parameters:
    ///   - id: names the client, at most 512 bytes of UTF-8.
    ///   - driver: what executes the runs.
    ///   - logger: where the client logs.
    ///   - configure: changes the settings.
    /// - Throws: ``InvalidStepID`` for an unusable id; the driver's errors, for instance when the store is in use by
    ///   another engine.
    public init(
        id: String, driver: some Driver, logger: Logger = Logger(label: "stepkit"),
        configure: (inout ClientOptions) -> Void = { _ in }
    ) async throws {
        try StepName.check(id)
        var options = ClientOptions(clientID: id, logger: logger)
        configure(&options)
        options.payloadLimit = max(1, min(options.payloadLimit, Limits.maximumPayloadBytes))
        self.id = id
        self.options = options
        session = try await driver.open(options)
    }

    /// Executes runs until the service group shuts down or the task is cancelled. Unfinished runs resume first.
    ///
    /// On graceful shutdown nothing new starts, running bodies get `shutdownGrace`, and what is left resumes next time.
    ///
    /// - Throws: what stopped the engine: a store that failed, another engine that took over.
    public func run() async throws {
        try await withGracefulShutdownHandler {
            try await session.run()
        } onGracefulShutdown: { [session] in
            session.beginShutdown()
        }
    }

    /// Writes what is queued and closes the driver. Not needed before the process ends: nothing is lost without it.
    public func close() async { await session.close() }

    /// Opens a client, executes runs while `body` does its work, and closes it: for scripts and tests.
    ///
    /// - Parameters:
    ///   - id: names the client.
    ///   - driver: what executes the runs.
    ///   - logger: where the client logs.
    ///   - configure: changes the settings.
    ///   - body: what to do meanwhile.
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws, or what stopped the engine.
    public static func withClient<Result: Sendable>(
        id: String, driver: some Driver, logger: Logger = Logger(label: "stepkit"),
        configure: (inout ClientOptions) -> Void = { _ in }, _ body: (Client) async throws -> Result
    ) async throws -> Result {
        let client = try await Client(id: id, driver: driver, logger: logger, configure: configure)
        // At once, up to its first wait: the engine counts as running before `body` asks it for anything.
        let engine = Task.immediate { try await client.session.run() }
        let outcome: Swift.Result<Result, any Error>
        do {
            outcome = .success(try await body(client))
        } catch {
            outcome = .failure(error)
        }
        client.session.beginShutdown()
        let stopped = await engine.result
        await client.close()
        let result = try outcome.get()
        if case .failure(let error) = stopped, !(error is CancellationError) { throw error }
        return result
    }

    /// Registers a workflow.
    ///
    /// - Parameters:
    ///   - id: the workflow's id, unique in this client, at most 512 bytes of UTF-8. It is stored with each run.
    ///   - input: the type of the input.
    ///   - version: the version of this code, from 0 to 4,294,967,295; recorded with each run that it starts.
    ///   - accepts: versions whose open runs this code takes over; its own alone by default.
    ///   - options: retries and the like.
    ///   - fileID: where the call stands; recorded with errors that the function throws.
    ///   - line: where the call stands.
    ///   - body: the function. It is called again from its beginning when a run resumes, and gets recorded outcomes in
    ///     place of steps that have ended; between steps it must do the same each time.
    /// - Returns: the workflow. An id or a version that can't be used makes every start throw
    ///   ``RegistrationError``.
    @discardableResult
    public func workflow<Input: Codable & Sendable, Output: Codable & Sendable>(
        _ id: String, input: Input.Type, version: Int = 1, accepts: ClosedRange<Int>? = nil,
        options: WorkflowOptions = WorkflowOptions(), fileID: StaticString = #fileID, line: UInt = #line,
        _ body: @escaping @Sendable (WorkflowContext<Input>, Step) async throws -> Output
    ) -> Workflow<Input, Output> {
        let limit = self.options.payloadLimit
        let own = UInt32(clamping: version)
        let range = accepts.map { UInt32(clamping: $0.lowerBound)...UInt32(clamping: $0.upperBound) } ?? own...own
        let definition = WorkflowDefinition(
            id: id, version: version, accepts: range, options: options, site: CallSite(fileID: fileID, line: line),
            checkInput: { _ = try PayloadCoder.decode(Input.self, from: $0) },
            isSameInput: { PayloadCoder.areEqual($0, $1, as: Input.self) },
            body: { runtime, payload in
                let value: Input
                do {
                    value = try PayloadCoder.decode(Input.self, from: payload)
                } catch {
                    throw InvalidInputError(workflow: id, reason: "\(error)")
                }
                let output = try await body(
                    WorkflowContext(input: value, runtime: runtime), Step(runtime: runtime, scope: ""))
                return try Step.encode(output, what: "the output of workflow \"\(id)\"", limit: limit)
            })
        var problem: RegistrationError?
        do {
            try StepName.check(id)
            try Self.check(version, accepts, of: id)
            try session.register(definition)
        } catch {
            problem = error as? RegistrationError ?? RegistrationError(workflow: id, reason: "\(error)")
            self.options.logger.error("workflow not registered", metadata: ["workflow": "\(id)", "error": "\(error)"])
        }
        return Workflow(id: id, version: version, session: session, problem: problem, payloadLimit: limit)
    }

    private static func check(_ version: Int, _ accepts: ClosedRange<Int>?, of id: String) throws(RegistrationError) {
        for number in [version, accepts?.lowerBound, accepts?.upperBound].compactMap({ $0 })
        where UInt32(exactly: number) == nil {
            throw RegistrationError(
                workflow: id, reason: "version \(number) can't be recorded; versions go from 0 to \(UInt32.max)")
        }
    }

    /// Registers a workflow that returns nothing.
    ///
    /// - Parameters:
    ///   - id: the workflow's id.
    ///   - input: the type of the input.
    ///   - version: the version of this code.
    ///   - accepts: versions whose open runs this code takes over.
    ///   - options: retries and the like.
    ///   - fileID: where the call stands; recorded with errors that the function throws.
    ///   - line: where the call stands.
    ///   - body: the function.
    /// - Returns: the workflow.
    @discardableResult
    @_disfavoredOverload  // `return try await step.run("a") { 1 }` could also be read as a step that returns nothing.
    public func workflow<Input: Codable & Sendable>(
        _ id: String, input: Input.Type, version: Int = 1, accepts: ClosedRange<Int>? = nil,
        options: WorkflowOptions = WorkflowOptions(), fileID: StaticString = #fileID, line: UInt = #line,
        _ body: @escaping @Sendable (WorkflowContext<Input>, Step) async throws -> Void
    ) -> Workflow<Input, NoOutput> {
        workflow(
            id, input: input, version: version, accepts: accepts, options: options, fileID: fileID, line: line
        ) { context, step in
            try await body(context, step)
            return NoOutput()
        }
    }

    /// Sends a signal to the run that has waited longest for one of this name, or to every one that waits.
    ///
    /// A run that waits but can't go on now, since it is held or its code is not registered, lets others go first. Where
    /// no other waits, the signal is queued for it: durably, whatever `ifNobodyWaits` says, until its code comes to the
    /// wait or gives it up. Data that the code then can't decode is recorded as rejected, and the wait goes on.
    ///
    /// - Parameters:
    ///   - name: the signal's name, at most 1,024 bytes of UTF-8.
    ///   - data: its data.
    ///   - ifNobodyWaits: whether it is dropped or kept for the next waiter.
    ///   - deliver: whether the longest waiting gets it, or all that wait by now, each by a commit of its own. After a
    ///     failure in between, sending it again with the same key reaches the others.
    ///   - idempotencyKey: sending another signal of this name with the same key within a day has no further effect;
    ///     with `deliver: .all`, none on the runs that got the first.
    /// - Returns: the run that got it, or will get it, of several the one that had waited longest; `nil` when nobody
    ///   waited and it was dropped or kept. Durable.
    /// - Throws: ``InvalidPayloadError`` when the run that waits can't decode the data (with `deliver: .all`, when none
    ///   that waits can), ``PayloadTooLarge``,
    ///   ``InvalidStepID`` for an unusable name, ``EngineBusy``, ``EngineNotRunning`` and ``EngineStopped``, also where
    ///   the engine was shut down before the run had it, the driver's errors.
    @discardableResult
    public func signal(
        _ name: String, _ data: some Codable & Sendable, ifNobodyWaits: SignalDisposition = .drop,
        deliver: SignalDelivery = .first, idempotencyKey: String? = nil
    ) async throws -> RunID? {
        try StepName.check(name, limit: Limits.signalNameBytes)
        if let idempotencyKey { try StepName.check(idempotencyKey) }
        let payload = try Step.encode(data, what: "the data of signal \"\(name)\"", limit: options.payloadLimit)
        return try await session.signal(
            SignalRequest(
                name: name, payload: payload, disposition: ifNobodyWaits, idempotencyKey: idempotencyKey,
                delivery: deliver))
    }

    /// Cancels a run by its run id; see ``Run/cancel(by:reason:)``.
    ///
    /// - Parameters:
    ///   - run: the run.
    ///   - by: who cancels it; recorded.
    ///   - reason: why; recorded.
    /// - Throws: ``RunNotFound`` and the driver's errors.
    public func cancel(_ run: RunID, by: String = "client", reason: String = "") async throws {
        try await session.cancel(run, by: by, reason: reason)
    }
}
