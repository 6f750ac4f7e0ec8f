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

    /// How many runs are queued before the engine's timers are set.
    private static let runsBeforeTimers = 16_384

    /// At most so many runs are looked at before the pool's threads see to other work.
    private static let runsAtOnce = 1_024

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
        }
        if !open.isEmpty { logger.debug("unfinished runs resume", metadata: ["runs": "\(open.count)"]) }
        var runs = try await pool.perform { [self] in
            var runs = OpenRuns(left: open[...])
            // The first of them before time begins to count, so that for most stores nothing is read for what is due and
            // for itself too; but nobody waits for the last of a million.
            while runs.looked < Self.runsBeforeTimers, try queueSome(&runs) {}
            openWindow()
            timers.set(
                .engine(.strandedWarning), due: clock.now.advanced(by: Self.strandedGrace), after: Self.strandedGrace)
            return runs
        }
        pump()
        var more = true
        while more {
            let before = runs
            (runs, more) = try await pool.perform { [self] in
                var runs = before
                let more = try queueSome(&runs)
                return (runs, more)
            }
            pump()
        }
        cancelAbandonedChildren(of: runs.children[...])
    }

    /// Looks at some of the open runs and queues them; returns whether there are more.
    ///
    /// Those at rest come when nothing else wants to be in memory, and take up half of the room at most: what they wait
    /// for finds them on disk. Their functions are called all the same, for they may have been busy beside the wait with
    /// something that is no step, and only the code knows.
    private func queueSome(_ open: inout OpenRuns) throws -> Bool {
        guard !isStopping else { return false }
        let slice = open.left.prefix(Self.runsAtOnce)
        let rows = try store.read { snapshot in
            slice.map { run in (run, row: Result { try snapshot.run(run) }) }
        }
        state.withLock { state in
            // A row that can't be read concerns its run alone, and is reported when that is loaded.
            for (run, row) in rows { open.take(run, try? row.get(), &state) }
        }
        return !open.left.isEmpty
    }

    /// Cancels children whose parents gave them up just before the process ended: the parent's event and the child's
    /// cancellation are in different runs, so a crash may come between them.
    ///
    /// A history that can't be read concerns its run and the children of it alone.
    private func cancelAbandonedChildren(of open: ArraySlice<RunNumber>) {
        guard !open.isEmpty, !isStopping else { return }
        pool.submit(
            .job { [self] in
                let slice = open.prefix(Self.runsAtOnce)
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

/// The open runs that recovery has not looked at, and what it found among the others.
private struct OpenRuns {
    private(set) var left: ArraySlice<RunNumber>
    private(set) var looked = 0
    /// Those that are children and not yet being cancelled.
    private(set) var children: [RunNumber] = []

    init(left: ArraySlice<RunNumber>) { self.left = left }

    mutating func take(_ run: RunNumber, _ row: RunRow?, _ state: inout EngineState) {
        left = left.dropFirst()
        looked += 1
        if let row, row.parent != nil, row.cancel == nil { children.append(run) }
        state.enqueueRecovered(run, row)
    }
}
