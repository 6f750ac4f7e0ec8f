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
        pump()
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
