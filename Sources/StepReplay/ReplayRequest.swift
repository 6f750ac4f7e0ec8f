import Dispatch
import StepCore
import StepEvents
import StepLocks

/// One request to a ``ReplayHost``: the host of an instance that replays and starts nothing.
final class ReplayRequest: InstanceHost {
    private struct State {
        var isScheduled = false
        var drainer: UnsafeContinuation<Void, Never>?
        var events: [Event] = []
        var outcome: ReplayHost.Answer.Outcome?
        var isExecuting = false
        var attempt: AttemptOutcome?
        /// Whether nobody waits for the instance any longer.
        var isLeft = false
    }

    private let state = Locked(State())
    /// The attempt that is to be executed, if one is.
    private let facts: AttemptFacts?
    let now: Timestamp

    init(at now: Timestamp, executing facts: AttemptFacts?) {
        self.now = now
        self.facts = facts
    }

    /// Runs the function until it can't go on without new outcomes, and tells it to leave memory.
    func run(_ instance: WorkflowInstance) async -> ReplayHost.Answer {
        instance.post(.begin)
        while true {
            await scheduled()
            await withUnsafeContinuation { continuation in
                Self.outsideOfTasks {
                    instance.drain()
                    continuation.resume()
                }
            }
            let answer = state.withLock { state -> ReplayHost.Answer? in
                guard let outcome = state.outcome, !state.isExecuting else { return nil }
                return ReplayHost.Answer(events: state.events, outcome: outcome)
            }
            if let answer {
                leave(instance)
                return answer
            }
        }
    }

    /// How the attempt ended that was to be executed; `nil` where the function did not ask for its step.
    var attempt: AttemptOutcome? { state.withLock { $0.attempt } }

    private func leave(_ instance: WorkflowInstance) {
        let isScheduled = state.withLock { state in
            state.isLeft = true
            return state.isScheduled
        }
        instance.post(.unwind(interrupting: false))
        if isScheduled { drainLater(instance) }
    }

    /// What is left of the function ends by itself.
    private func drainLater(_ instance: WorkflowInstance) {
        Self.outsideOfTasks { instance.drain() }
    }

    /// Draining runs the jobs of other tasks, which must not happen inside of a task: the one that suspends next would
    /// be taken for the other, and its memory with it.
    private static func outsideOfTasks(_ body: @escaping @Sendable () -> Void) {
        DispatchQueue.global().async(execute: body)
    }

    private func scheduled() async {
        await withUnsafeContinuation { continuation in
            let isScheduled = state.withLock { state in
                if !state.isScheduled { state.drainer = continuation }
                defer { state.isScheduled = false }
                return state.isScheduled
            }
            if isScheduled { continuation.resume() }
        }
    }

    // MARK: InstanceHost

    var bodyExecutor: any TaskExecutor { globalConcurrentExecutor }

    func schedule(_ instance: WorkflowInstance) {
        let (drainer, isLeft) = state.withLock { state in
            let drainer = state.drainer
            state.drainer = nil
            if drainer == nil, !state.isLeft { state.isScheduled = true }
            return (drainer, state.isLeft)
        }
        if isLeft { drainLater(instance) }
        drainer?.resume()
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
