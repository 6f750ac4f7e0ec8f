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

    /// At most so many children are looked at before the pool's threads see to other work.
    private static let childrenAtOnce = 1_024

    /// Queues every run that has not ended; they resume as there is room. Children that their parents gave up are
    /// cancelled, beside all else that goes on.
    func recover() async throws {
        let store = store
        // Starts that were accepted before the engine ran are found in the table once they are durable.
        guard try await drainLog() else { return }
        let open = try await pool.perform { try store.read { snapshot in try snapshot.openRuns() } }
        state.withLock { state in
            guard state.phase.isRunning else { return }
            state.held = []
            for run in open { state.enqueueRecovered(run) }
        }
        if !open.isEmpty { logger.debug("unfinished runs resume", metadata: ["runs": "\(open.count)"]) }
        try await pool.perform { [self] in openWindow() }
        timers.set(
            .engine(.strandedWarning), due: clock.now.advanced(by: Self.strandedGrace), after: Self.strandedGrace)
        cancelAbandonedChildren(of: open[...])
        pump()
    }

    /// Cancels children whose parents gave them up just before the process ended: the parent's event and the child's
    /// cancellation are in different runs, so a crash may come between them.
    ///
    /// A history that can't be read concerns its run and the children of it alone.
    private func cancelAbandonedChildren(of open: ArraySlice<RunNumber>) {
        guard !open.isEmpty, !isStopping else { return }
        pool.submit(
            .job { [self] in
                let slice = open.prefix(Self.childrenAtOnce)
                for (parent, children) in byParent(slice).sorted(by: { $0.key < $1.key }) {
                    do {
                        for child in try givenUp(children, by: parent) {
                            cancelChild(child.run, of: child.parent.id, reason: "its parent no longer waits for it")
                        }
                    } catch {
                        logger.error(
                            "a run can't be read, so its children are not asked whether they are still wanted",
                            metadata: ["run": "\(parent)", "error": "\(error)"])
                    }
                }
                cancelAbandonedChildren(of: open.dropFirst(slice.count))
            })
    }

    private typealias Child = (run: RunNumber, parent: RunStarted.Parent)

    /// Those among the runs that are children and not yet being cancelled.
    private func byParent(_ runs: ArraySlice<RunNumber>) -> [RunNumber: [Child]] {
        var children: [RunNumber: [Child]] = [:]
        for run in runs {
            do {
                let parent = try store.read { snapshot -> RunStarted.Parent? in
                    guard let row = try snapshot.run(run), row.parent != nil, row.cancel == nil,
                        case .runStarted(let started)? = try snapshot.event(at: row.first)?.event.body
                    else { return nil }
                    return started.parent
                }
                if let parent { children[parent.run, default: []].append((run, parent)) }
            } catch {
                logger.error("a run can't be read", metadata: ["run": "\(run)", "error": "\(error)"])
            }
        }
        return children
    }

    /// Those of a parent's children of which its history says that it no longer wants them. Reads that once, from its
    /// end, and no further than it must.
    private func givenUp(_ children: [Child], by parent: RunNumber) throws -> [Child] {
        var left = Dictionary(grouping: children, by: \.parent.step)
        /// Children whose wait ended by the time's running out, which some are cancelled for.
        var timedOut: Set<StepNumber> = []
        var givenUp: [Child] = []
        try store.visitBackwards(parent) { logged in
            switch logged.event.body {
            case .waitCancelled(let body):
                givenUp += (left.removeValue(forKey: body.step) ?? []).filter { !$0.parent.detached }
            case .invokeFinished(let body) where left[body.step] != nil:
                if body.outcome == .timedOut { timedOut.insert(body.step) } else { left[body.step] = nil }
            case .invokeStarted(let body):
                let step = StepNumber(logged.event.sequence)
                let started = left.removeValue(forKey: step) ?? []
                if timedOut.contains(step), body.cancelsOnTimeout { givenUp += started }
            default: break
            }
            return !left.isEmpty
        }
        return givenUp
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
