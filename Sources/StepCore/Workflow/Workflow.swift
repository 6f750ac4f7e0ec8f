public import StepEvents

/// A workflow that was registered with a client: starts runs of it and finds them again.
public struct Workflow<Input: Codable & Sendable, Output: Codable & Sendable>: Sendable {
    /// The workflow's id, unique in its client.
    public let id: String
    /// The version of the code that is registered here.
    public let version: Int
    let session: any DriverSession
    let problem: RegistrationError?
    let payloadLimit: Int

    /// Starts a run, or returns the one that the id already names.
    ///
    /// The run is durable when this returns: whatever happens to the process, it will be executed. Starting again
    /// with the same id and an equal input gives the same run, so a caller that got no answer can simply ask again.
    /// Inputs are equal when what is stored of them is, when they are `Equatable` and equal, or when they encode alike.
    /// Sets and dictionaries whose keys are not strings have no order that outlives the process, so an input that
    /// contains them should be `Equatable`.
    ///
    /// - Parameters:
    ///   - input: what the function gets.
    ///   - key: the caller's own id for the run, unique for this workflow, at most 512 bytes of UTF-8; `nil` starts a
    ///     new run each time.
    ///   - ifExists: what to do when a run has the id already.
    /// - Returns: the run.
    /// - Throws: ``InvalidInputError`` and ``PayloadTooLarge`` for an unusable input, ``InvalidStepID`` for an unusable
    ///   id, ``RunKeyConflict`` when the id names a run with another input, ``EngineBusy``, and the driver's own errors.
    ///   Nothing is stored then.
    public func start(
        _ input: Input, id key: String? = nil, ifExists: ExistingRunPolicy = .return
    ) async throws -> Run<Output> {
        if let problem { throw problem }
        if let key { try StepName.check(key) }
        let payload: Payload
        do {
            payload = try PayloadCoder.encode(input)
            _ = try PayloadCoder.decode(Input.self, from: payload)
        } catch {
            throw InvalidInputError(workflow: id, reason: "\(error)")
        }
        guard payload.bytes.count <= payloadLimit else {
            throw PayloadTooLarge(
                what: "the input of workflow \"\(id)\"", bytes: payload.bytes.count, limit: payloadLimit)
        }
        let request = StartRequest(
            workflow: id, version: UInt32(clamping: version), key: key, input: payload, ifExists: ifExists)
        return Run(id: try await session.start(request), key: key, session: session)
    }

    /// Finds a run by the id that it was started with, also after a restart.
    ///
    /// - Parameter key: the id.
    /// - Returns: the run, or `nil` when no run of this workflow has the id.
    /// - Throws: the driver's errors.
    public func run(id key: String) async throws -> Run<Output>? {
        try await session.find(workflow: id, key: key).map { Run(id: $0, key: key, session: session) }
    }

    /// Finds a run by its run id, also after a restart.
    ///
    /// - Parameter id: the run id.
    /// - Returns: the run.
    /// - Throws: ``RunNotFound`` when there is no such run or it is another workflow's; the driver's errors.
    public func run(_ id: RunID) async throws -> Run<Output> {
        guard let description = try await session.describe(id), description.workflow == self.id else {
            throw RunNotFound(name: id.description)
        }
        return Run(id: id, key: description.key, session: session)
    }
}

/// What a start does when a run has the id already.
public enum ExistingRunPolicy: Sendable, Hashable {
    /// It returns that run, if its input is equal; another input is a ``RunKeyConflict``.
    case `return`
    /// It is always a ``RunKeyConflict``.
    case fail
    /// If that run has ended, however it did, a new run is started, with any input, and has the id from then on. One
    /// that has not ended is returned as by ``return``.
    case restartIfFinished
}

/// One execution of a workflow.
public struct Run<Output: Codable & Sendable>: Sendable {
    /// The run id, made by the engine.
    public let id: RunID
    /// The id that the run was started with, if it was given one.
    public let key: String?
    let session: any DriverSession

    /// Waits for the run to end.
    ///
    /// Cancelling the task that waits does not cancel the run.
    ///
    /// - Returns: what the workflow function returned. Durable.
    /// - Throws: ``RunFailedError`` or ``RunCancelledError`` as the run ended; ``EngineNotRunning`` when no engine
    ///   would bring it to its end; `CancellationError` when the waiting task was cancelled; the driver's errors.
    public func result() async throws -> Output {
        let payload = try await session.result(of: id).payload
        do {
            return try PayloadCoder.decode(Output.self, from: payload)
        } catch {
            throw ResultDecodingError(
                runID: id, step: StepKey(scope: "", id: "output", occurrence: 0),
                type: String(reflecting: Output.self), stored: payload, reason: "\(error)")
        }
    }

    /// Where the run stands.
    ///
    /// - Returns: its status.
    /// - Throws: ``RunNotFound`` and the driver's errors.
    public func status() async throws -> RunStatus {
        guard let description = try await session.describe(id) else { throw RunNotFound(name: id.description) }
        return description.status
    }

    /// Cancels the run: its pending calls throw `CancellationError`, running bodies are cancelled, and it ends as
    /// cancelled once it has cleaned up. Cancelling twice is one cancellation; a run that has ended stays as it is.
    ///
    /// - Parameters:
    ///   - by: who cancels it; recorded.
    ///   - reason: why; recorded.
    /// - Throws: ``RunNotFound`` and the driver's errors.
    public func cancel(by: String = "client", reason: String = "") async throws {
        try await session.cancel(id, by: by, reason: reason)
    }
}
