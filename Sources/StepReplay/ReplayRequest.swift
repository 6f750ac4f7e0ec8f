import Dispatch
import StepCore
import StepEvents
import StepLocks

/// One request to a ``ReplayHost``: the host of an instance that replays and starts nothing.
final class ReplayRequest: InstanceHost {
    private struct State {
        /// Who waits for the answer, until there is one.
        var waiter: UnsafeContinuation<ReplayHost.Answer, Never>?
        var events: [Event] = []
        var outcome: ReplayHost.Answer.Outcome?
        var isExecuting = false
        var attempt: AttemptOutcome?
    }

    private let state = Locked(State())
    /// The attempt that is to be executed, if one is.
    private let facts: AttemptFacts?
    let now: Timestamp

    init(at now: Timestamp, executing facts: AttemptFacts?) {
        self.now = now
        self.facts = facts
    }

    /// Runs the function until it can't go on without new outcomes, and tells it to leave memory. What is left of it
    /// then ends by itself.
    func run(_ instance: WorkflowInstance) async -> ReplayHost.Answer {
        await withUnsafeContinuation { waiter in
            state.withLock { $0.waiter = waiter }
            instance.post(.begin)
        }
    }

    /// How the attempt ended that was to be executed; `nil` where the function did not ask for its step.
    var attempt: AttemptOutcome? { state.withLock { $0.attempt } }

    private func drain(_ instance: WorkflowInstance) {
        instance.drain()
        let (waiter, answer) = state.withLock {
            state -> (UnsafeContinuation<ReplayHost.Answer, Never>?, ReplayHost.Answer?) in
            guard let outcome = state.outcome, !state.isExecuting else { return (nil, nil) }
            defer { state.waiter = nil }
            return (state.waiter, ReplayHost.Answer(events: state.events, outcome: outcome))
        }
        guard let waiter, let answer else { return }
        instance.post(.unwind(interrupting: false))
        waiter.resume(returning: answer)
    }

    // MARK: InstanceHost

    var bodyExecutor: any TaskExecutor { globalConcurrentExecutor }

    /// Draining runs the jobs of other tasks, which must not happen inside of a task: the one that suspends next would
    /// be taken for the other, and its memory with it.
    func schedule(_ instance: WorkflowInstance) {
        DispatchQueue.global().async { [self] in drain(instance) }
    }

    func perform(_ actions: [MachineAction], of instance: WorkflowInstance) {
        var last: UInt32?
        let isAnswered = state.withLock { state in
            guard state.outcome == nil else { return true }
            for action in actions {
                if case .append(let event, _, _) = action {
                    state.events.append(event)
                    last = event.sequence
                } else if case .ended(let end) = action {
                    state.outcome = state.outcome ?? .ended(end)
                }
            }
            return state.outcome != nil
        }
        guard !isAnswered else { return }
        // What follows from the history alone is as good as durable: it is so when the answer is.
        if let last { return instance.post(.committed(through: last)) }
        guard let asked = instance.asked else { return }
        let isExecuting = facts.map { instance.execute($0, ended: attemptEnded) } ?? false
        state.withLock { state in
            state.outcome = .waits(new: asked.new, open: asked.open)
            state.isExecuting = isExecuting
        }
    }

    private func attemptEnded(_ outcome: AttemptOutcome) {
        state.withLock { state in
            state.attempt = outcome
            state.isExecuting = false
        }
    }
}
