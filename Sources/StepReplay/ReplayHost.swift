package import StepCore
package import StepEvents

/// Replay for hosts that answer requests: given a history, which new steps does the code ask for?
///
/// For drivers whose orchestrator is elsewhere: it sends a run's history, is told what the function asks for next, has
/// that done, and sends the longer history. No I/O, no clock; the function's jobs run in the task that asks.
package struct ReplayHost: Sendable {
    /// A step that the function asks for and the history does not have.
    package struct Request: Sendable {
        package let key: StepKey
        package let operation: StepOperation
        /// The sequence of the last item that had been handed over when the code asked.
        package let after: UInt32
    }

    /// What a history leads to.
    package struct Answer: Sendable {
        package enum Outcome: Sendable {
            /// Every branch of the function waits: for these new steps, in the order in which it asked for them, and
            /// for steps that the history has begun and not ended.
            case waits(new: [Request], open: [StepNumber])
            /// The function ended, or the history says that the run has.
            case ended(MachineEnd)
        }

        /// Events that follow from the history alone and continue it: steps that the code cancelled, the run's end.
        package let events: [Event]
        package let outcome: Outcome
    }

    /// The function waits without having asked for the step that was to be executed.
    package struct NotAskedFor: Error, Hashable, Sendable, CustomStringConvertible {
        package let run: RunID
        package let step: StepKey

        package var description: String {
            "run \(run) does not ask for step \(step) after this history; send the history that it was asked for after"
        }
    }

    private let definition: WorkflowDefinition
    private let client: ClientOptions

    package init(_ definition: WorkflowDefinition, client: ClientOptions) {
        self.definition = definition
        self.client = client
    }

    /// Replays a history, oldest event first, and tells what the function does next. Starts nothing.
    ///
    /// Work that the function does outside of steps is waited for where no branch waits for a step, and where it is
    /// declared by `context.outside`.
    ///
    /// - Throws: ``IllegalTransition`` for a history that can't be.
    package func answer(_ history: [Event]) async throws -> Answer {
        let machine = try machine(history)
        if let end = Self.end(of: history) { return Answer(events: [], outcome: .ended(end)) }
        let request = ReplayRequest(at: machine.state.lastTime, executing: nil)
        return await request.run(instance(machine, request))
    }

    /// Replays a history up to a step that the function asks for, and makes an attempt of its body.
    ///
    /// - Throws: ``NotAskedFor`` where the function does not come to the step; ``IllegalTransition`` for a history that
    ///   can't be.
    package func execute(_ facts: AttemptFacts, after history: [Event]) async throws -> AttemptOutcome {
        let machine = try machine(history)
        let run = machine.state.start.id
        if Self.end(of: history) == nil {
            let request = ReplayRequest(at: machine.state.lastTime, executing: facts)
            _ = await request.run(instance(machine, request))
            if let outcome = request.attempt { return outcome }
        }
        throw NotAskedFor(run: run, step: facts.key)
    }

    private func machine(_ history: [Event]) throws(IllegalTransition) -> RunMachine {
        let settings = MachineSettings(
            options: definition.options, site: definition.site, maxInterruptions: client.maxInterruptions,
            abandonAfter: client.abandonAfter, startsSteps: false, allocateRun: { .store })
        var machine = try RunMachine(history: history, settings: settings)
        if machine.state.status == .held { machine.resume(at: machine.state.lastTime) }
        return machine
    }

    private func instance(_ machine: consuming RunMachine, _ request: ReplayRequest) -> WorkflowInstance {
        WorkflowInstance(machine: machine, definition: definition, client: client, host: request)
    }

    private static func end(of history: [Event]) -> MachineEnd? {
        switch history.last?.body {
        case .runSucceeded(let body): .succeeded(body.output)
        case .runFailed(let body): .failed(body.failure)
        case .runCancelled: .cancelled
        default: nil
        }
    }
}
