import Logging
import StepCore
import StepEvents
import StepLocks
import StepLog
import Synchronization

extension Engine {
    /// How long after its start the engine complains about runs without code: programs register their workflows
    /// around then.
    private static let strandedGrace = Duration.seconds(5)

    /// Queues every run that has not ended; they resume as there is room. Children that their parents gave up are
    /// cancelled.
    func recover() async throws {
        let store = store
        // Starts that were accepted before the engine ran are found in the table once they are durable.
        try await commit()
        let open = try await pool.perform { try store.read { snapshot in try snapshot.openRuns() } }
        state.withLock { state in
            state.held = []
            for run in open { state.enqueueRecovered(run) }
        }
        if !open.isEmpty { logger.debug("unfinished runs resume", metadata: ["runs": "\(open.count)"]) }
        try await pool.perform { [self] in openWindow() }
        timers.set(
            .engine(.strandedWarning), due: clock.now.advanced(by: Self.strandedGrace), after: Self.strandedGrace)
        try await cancelAbandonedChildren(of: open)
        pump()
    }

    /// Cancels children whose parents gave them up just before the process ended: the parent's event and the child's
    /// cancellation are in different runs, so a crash may come between them.
    private func cancelAbandonedChildren(of open: [RunNumber]) async throws {
        let store = store
        let abandoned = try await pool.perform {
            try open.compactMap { child -> (child: RunNumber, parent: RunID)? in
                let start = try store.read { snapshot -> RunStarted? in
                    guard let row = try snapshot.run(child), row.parent != nil, row.cancel == nil,
                        case .runStarted(let started)? = try snapshot.event(at: row.first)?.event.body
                    else { return nil }
                    return started
                }
                guard let parent = start?.parent else { return nil }
                let history = try store.history(of: parent.run).map(\.event)
                return Self.gaveUp(history, on: parent) ? (child, parent.id) : nil
            }
        }
        for (child, parent) in abandoned {
            cancelChild(child, of: parent, reason: "its parent no longer waits for it")
        }
    }

    /// Whether a parent's history says that it no longer wants the child of one of its steps.
    private static func gaveUp(_ history: [Event], on parent: RunStarted.Parent) -> Bool {
        var cancelsOnTimeout = false
        for event in history {
            switch event.body {
            case .invokeStarted(let body) where event.sequence == parent.step.sequence:
                cancelsOnTimeout = body.cancelsOnTimeout
            case .waitCancelled(let body) where body.step == parent.step: return !parent.detached
            case .invokeFinished(let body) where body.step == parent.step:
                return body.outcome == .timedOut && cancelsOnTimeout
            default: break
            }
        }
        return false
    }

    func warnOfStranded() {
        let stranded = state.withLock { state in
            state.stranded.filter { state.warnedOf.insert($0.key).inserted && !$0.value.isEmpty }
        }
        for (workflow, runs) in stranded.sorted(by: { $0.key < $1.key }) {
            logger.warning(
                "unfinished runs have no code here, or none of their version; they stay parked until it is registered",
                metadata: ["workflow": "\(workflow)", "runs": "\(runs.count)"])
        }
    }
}
