import StepEvents

/// The durable operations of a run. The workflow function gets one; a group gets one with its own scope.
///
/// Each method names its operation with an id. Together with the scope and the number of times that the id was asked
/// for in it before, the id identifies the operation when the run is replayed: what is recorded under it is returned
/// and nothing is done again. Ids must therefore not depend on anything that differs between two executions.
public struct Step: Sendable {
    package let runtime: any StepRuntime
    /// The path of groups, `""` at the top.
    public let scope: String

    package init(runtime: any StepRuntime, scope: String) {
        self.runtime = runtime
        self.scope = scope
    }

    /// Opens a scope of its own for what `body` does: ids and random draws in it are counted apart.
    ///
    /// Parallel branches that use the same step ids need a group each, because otherwise the order in which they
    /// happen to arrive would decide whose result is whose.
    ///
    /// - Parameters:
    ///   - name: the group's name, at most 512 bytes of UTF-8. Further groups of the same name are numbered.
    ///   - fileID: where the call stands.
    ///   - line: where the call stands.
    ///   - body: what runs in the group.
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws; ``InvalidStepID`` for an unusable name; ``AmbiguousStepError`` while a group of
    ///   the same name is open in this scope.
    public func group<Result>(
        _ name: String, fileID: StaticString = #fileID, line: UInt = #line, body: (Step) async throws -> Result
    ) async throws -> Result {
        let site = CallSite(fileID: fileID, line: line)
        try StepName.check(name)
        guard ScopePath.depth(of: scope) < Limits.groupDepth else {
            throw InvalidStepID(id: name, reason: "groups can be nested \(Limits.groupDepth) deep and no deeper")
        }
        try refuseInsideBody(name)
        let inner = try runtime.openGroup(name, in: scope, site: site)
        defer { runtime.closeGroup(inner) }
        return try await body(Step(runtime: runtime, scope: inner))
    }

    /// Runs `body` where cancellation does not reach, so that a cancelled run can clean up after itself: release what
    /// it reserved, tell someone. Steps inside it run although the run was cancelled.
    ///
    /// ```swift
    /// do { try await step.waitForSignal("approval", …) }
    /// catch is CancellationError {
    ///     try await step.cleanup { step in try await step.run("release") { … } }
    ///     throw CancellationError()
    /// }
    /// ```
    ///
    /// - Parameter body: what to do. It sees an uncancelled task.
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws.
    public func cleanup<Result: Sendable>(
        _ body: @escaping @Sendable (Step) async throws -> Result
    ) async throws -> Result {
        // An unstructured task is not cancelled with its parent; on the run's own executor it stays deterministic.
        let step = self
        return try await Task(executorPreference: runtime.runExecutor) { try await body(step) }.value
    }

    /// Asks for an operation and carries it to its end.
    func perform(_ call: StepCall, execute: AttemptRunner? = nil) async throws -> Payload? {
        try refuseInsideBody(call.id)
        try StepName.check(call.id)
        return try await withTaskCancellationHandler {
            var directive = await runtime.begin(call, isCancelled: Task.isCancelled)
            while true {
                switch directive {
                case .deliver(let payload): return payload
                case .fail(let error as RunUnwinding):
                    await noteUnwinding(at: call)
                    throw error
                case .fail(let error): throw error
                case .execute(let facts): execute?.start(facts, call, inspecting: false, runtime)
                case .inspect(let facts): execute?.start(facts, call, inspecting: true, runtime)
                }
                directive = await call.next()
            }
        } onCancel: {
            runtime.cancel(call)
        }
    }

    /// A function of its own, so that steps which nothing happens to need no room for it.
    private func noteUnwinding(at call: StepCall) async {
        if let task = await TaskIdentity.ofCurrentTask() { runtime.unwound(call, in: task) }
    }

    func refuseInsideBody(_ id: String) throws {
        guard let body = StepContext.current, body.runID == runtime.run.id else { return }
        let error = NestedStepError(step: id, inside: body.stepID)
        body.recordViolation(error)
        throw error
    }
}

/// The rules for names that users choose.
package enum StepName {
    package static func check(_ id: String, limit: Int = Limits.idBytes) throws(InvalidStepID) {
        guard !id.isEmpty else { throw InvalidStepID(id: id, reason: "it is empty; give the step a name") }
        guard id.utf8.count <= limit else {
            throw InvalidStepID(id: id, reason: "it has \(id.utf8.count) bytes, more than the \(limit) allowed")
        }
    }
}
