import StepEvents

extension Step {
    /// Runs branches side by side and takes the outcome of the first that ends, whether it returns or throws; the
    /// others are cancelled.
    ///
    /// Which branch that was is recorded as a step of its own, so a replay takes the same one even where something
    /// else than steps decided the race. Each branch has a scope of its own, so branches may use the same ids.
    ///
    /// ```swift
    /// let decision = try await step.race("decision") { step in
    ///     try await step.waitForSignal("approval", signal: "order/\(id)", as: Decision.self)
    /// } _: { step in
    ///     try await step.sleep("patience", for: .days(7))
    ///     return nil
    /// }
    /// ```
    ///
    /// - Parameters:
    ///   - id: names the race in its scope, at most 512 bytes of UTF-8.
    ///   - fileID: where the call stands.
    ///   - line: where the call stands.
    ///   - first: a branch.
    ///   - others: the branches that it runs against.
    /// - Returns: what the winner returned.
    /// - Throws: what the winner threw; ``InvalidStepID`` for an unusable id; `CancellationError` when the race was
    ///   cancelled; ``RunUnwinding`` while the run leaves memory, and where it is held because the recorded winner is a
    ///   branch that the code no longer has.
    public func race<Output: Sendable>(
        _ id: String, fileID: StaticString = #fileID, line: UInt = #line,
        _ first: @escaping @Sendable (Step) async throws -> Output,
        _ others: @Sendable (Step) async throws -> Output...
    ) async throws -> Output {
        let branches = [first] + others
        return try await group(id, fileID: fileID, line: line) { step in
            let winner = try await step.firstToEnd(of: branches)
            if let outcome = winner.outcome { return try outcome.get() }
            let site = CallSite(fileID: fileID, line: line)
            let error = DivergenceError(
                runID: runtime.run.id, step: StepKey(scope: step.scope, id: Self.winner, occurrence: 0),
                recorded: "branch \(winner.index)", asked: "one of \(branches.count) branches",
                site: site.description)
            runtime.hold(Failure(capturing: error, site: site))
            throw RunUnwinding()
        }
    }

    private static let winner = "winner"

    /// The recorded winner, and its outcome unless there is no such branch.
    private func firstToEnd<Output: Sendable>(
        of branches: [@Sendable (Step) async throws -> Output]
    ) async throws -> (index: Int, outcome: Result<Output, any Error>?) {
        try await withThrowingTaskGroup(of: (Int, Result<Output, any Error>).self) { tasks in
            for (index, branch) in branches.enumerated() {
                tasks.addTask { (index, await self.outcome(of: branch, index)) }
            }
            // Once the winner is known to the log, and not before: a replay cancels at the same place.
            defer { tasks.cancelAll() }
            var ended: [Int: Result<Output, any Error>] = [:]
            var winner: Int?
            while let (index, outcome) = try await tasks.next() {
                if case .failure(let error as RunUnwinding) = outcome { throw error }
                ended[index] = outcome
                let recorded: Int
                if let winner { recorded = winner } else { recorded = try await run(Self.winner) { index } }
                winner = recorded
                if ended[recorded] != nil || !branches.indices.contains(recorded) { break }
            }
            return (winner ?? 0, winner.flatMap { ended[$0] })
        }
    }

    private func outcome<Output: Sendable>(
        of branch: @Sendable (Step) async throws -> Output, _ index: Int
    ) async -> Result<Output, any Error> {
        do {
            return .success(try await group("\(index)") { try await branch($0) })
        } catch {
            return .failure(error)
        }
    }
}
