import StepEvents
import StepLocks

/// Lets tests wait for the next commit of a store.
final class CommitWatch: Sendable {
    private struct State {
        var count = 0
        var isOver = false
    }

    private let state = Locked(State())
    private let waiting = WaitList()

    var count: Int { state.withLock { $0.count } }
    /// Whether nothing will be committed any more.
    var isOver: Bool { state.withLock { $0.isOver } }

    func committed() {
        state.withLock { $0.count += 1 }
        waiting.changed()
    }

    func end() {
        state.withLock { $0.isOver = true }
        waiting.changed()
    }

    /// Returns once there were more commits than `count`, or there will be none.
    ///
    /// - Throws: `CancellationError`.
    func past(_ count: Int) async throws {
        try await waiting.wait { [self] in self.count > count || isOver }
    }
}
