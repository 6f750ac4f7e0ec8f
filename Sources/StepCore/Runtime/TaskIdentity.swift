import StepLocks

/// Tells a task from every other, also from one that was made later at its place in memory, which the runtime uses
/// again at once.
package struct TaskIdentity: Hashable, Sendable {
    /// The runtime's own number of the task, which no other gets. It shows it nowhere but in a job's description.
    private let job: String

    /// The task that asks; `nil` where the runtime shows no number. Meant for what seldom happens: it costs the task a
    /// hop to an executor and back.
    @concurrent
    package static func ofCurrentTask() async -> TaskIdentity? {
        let detour = Detour()
        await withTaskExecutorPreference(detour) { await arrive() }
        // Without the number all tasks would be one.
        guard let job = detour.job.withLock({ $0 }), job.contains("id: "), job.contains(where: \.isNumber) else {
            return nil
        }
        return TaskIdentity(job: job)
    }

    /// Runs nowhere but on the executor that the task prefers.
    @concurrent
    private static func arrive() async {}

    /// Sees the job of the one task that comes along, and lets it go on where it is.
    private final class Detour: TaskExecutor {
        let job = Locked<String?>(nil)

        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            self.job.withLock { seen in
                if seen == nil { seen = job.description }
            }
            job.runSynchronously(on: asUnownedTaskExecutor())
        }
    }
}
