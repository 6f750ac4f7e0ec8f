import StepEvents
import StepLocks

/// Lets tests wait for the next commit of a store.
final class CommitWatch: Sendable {
    private struct State {
        var count = 0
        var isOver = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Locked(State())

    var count: Int { state.withLock { $0.count } }
    /// Whether nothing will be committed any more.
    var isOver: Bool { state.withLock { $0.isOver } }

    func committed() { wake { $0.count += 1 } }

    func end() { wake { $0.isOver = true } }

    /// Returns once there were more commits than `count`, or there will be none.
    func past(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isPast = state.withLock { state in
                if state.count > count || state.isOver { return true }
                state.waiting.append(continuation)
                return false
            }
            if isPast { continuation.resume() }
        }
    }

    private func wake(_ change: (inout State) -> Void) {
        let waiting = state.withLock { state in
            change(&state)
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}
