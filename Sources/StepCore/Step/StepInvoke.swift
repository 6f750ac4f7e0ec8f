import StepEvents

extension Step {
    /// Runs another workflow as a child and waits for its output.
    ///
    /// The child is a run of its own, started once: its start and this step's are recorded in one commit. Cancelling
    /// this run cancels the child unless it is detached.
    ///
    /// - Parameters:
    ///   - id: names the step in its scope.
    ///   - workflow: what to run. It may be registered later or elsewhere; until then the child waits.
    ///   - input: its input.
    ///   - timeout: how long to wait; `nil` waits for ever.
    ///   - onTimeout: what becomes of the child when the time is up.
    ///   - detached: whether the child goes on when this run is cancelled.
    ///   - fileID: where the call stands.
    ///   - line: where the call stands.
    /// - Returns: the child's output.
    /// - Throws: ``StepError`` with the child's run id and error when the child failed or was cancelled;
    ///   ``InvokeTimeoutError``; `CancellationError` when the step was cancelled; ``RegistrationError`` where the
    ///   workflow could not be registered.
    public func invoke<Input: Codable & Sendable, Output: Codable & Sendable>(
        _ id: String, _ workflow: Workflow<Input, Output>, _ input: Input, timeout: Duration? = nil,
        onTimeout: ChildTimeoutAction = .leaveRunning, detached: Bool = false, fileID: StaticString = #fileID,
        line: UInt = #line
    ) async throws -> Output {
        if let problem = workflow.problem { throw problem }
        let payload = try Self.encode(
            input, what: "the input of workflow \"\(workflow.id)\"", limit: runtime.payloadLimit)
        let invoke = InvokeStep(
            workflow: workflow.id, version: UInt32(clamping: workflow.version), input: payload, timeout: timeout,
            cancelsOnTimeout: onTimeout == .cancel, detached: detached)
        let call = StepCall(
            scope: scope, id: id, operation: .invoke(invoke), site: CallSite(fileID: fileID, line: line))
        return try decode(try await perform(call), of: call)
    }
}

/// What becomes of a child whose parent no longer waits for it.
public enum ChildTimeoutAction: Sendable, Hashable {
    /// It goes on.
    case leaveRunning
    /// It is cancelled.
    case cancel
}
