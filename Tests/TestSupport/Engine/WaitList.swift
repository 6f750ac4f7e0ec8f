import StepEvents
import StepLocks

/// Tasks that wait until something is so. Whoever changes it calls ``changed()``; nobody looks again and again.
final class WaitList: Sendable {
    private struct Waiter {
        let condition: @Sendable () -> Bool
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var next = 0
        var waiting: [Int: Waiter] = [:]
        var cancelled: Set<Int> = []
    }

    private let state = Locked(State())

    init() {}

    /// Waits until the condition holds.
    ///
    /// - Parameters:
    ///   - cancellable: whether cancelling the task ends the wait.
    ///   - condition: what to wait for; asked again after each change.
    /// - Throws: `CancellationError`.
    func wait(cancellable: Bool = true, until condition: @escaping @Sendable () -> Bool) async throws {
        let id = state.withLock { state in
            state.next += 1
            return state.next
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isCancelled = state.withLock { state in
                    if state.cancelled.remove(id) != nil { return true }
                    state.waiting[id] = Waiter(condition: condition, continuation: continuation)
                    return false
                }
                if isCancelled { continuation.resume(throwing: CancellationError()) } else { changed() }
            }
        } onCancel: {
            guard cancellable else { return }
            let waiter = state.withLock { state in
                let waiter = state.waiting.removeValue(forKey: id)
                if waiter == nil { state.cancelled.insert(id) }
                return waiter
            }
            waiter?.continuation.resume(throwing: CancellationError())
        }
    }

    func changed() {
        let met = state.withLock { state in
            let met = state.waiting.filter { $0.value.condition() }
            for id in met.keys { state.waiting[id] = nil }
            return met.values.map(\.continuation)
        }
        for continuation in met { continuation.resume() }
    }
}
