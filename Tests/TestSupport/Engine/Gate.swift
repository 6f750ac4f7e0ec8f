import StepEvents
import StepLocks

/// Holds tasks back until a test lets them go.
package final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var next = 0
        var waiting: [Int: CheckedContinuation<Void, any Error>] = [:]
        var cancelled: Set<Int> = []
        var arrivals = 0
        var watchers: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let state = Locked(State())

    package init() {}

    /// Waits until the gate is open, whatever becomes of the task.
    package func pass() async {
        do { try await wait(cancellable: false) } catch { return }
    }

    /// Waits until the gate is open or the task is cancelled.
    ///
    /// - Throws: `CancellationError`.
    package func passOrCancel() async throws { try await wait(cancellable: true) }

    package func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [:] }
            return Array(state.waiting.values)
        }
        for continuation in waiting { continuation.resume() }
    }

    package func close() { state.withLock { $0.isOpen = false } }

    /// How many tasks have come here so far.
    package var arrivals: Int { state.withLock { $0.arrivals } }

    /// Waits until so many tasks have come here.
    package func reached(_ count: Int = 1) async {
        await withCheckedContinuation { continuation in
            let isReached = state.withLock { state in
                if state.arrivals >= count { return true }
                state.watchers.append((count, continuation))
                return false
            }
            if isReached { continuation.resume() }
        }
    }

    private func wait(cancellable: Bool) async throws {
        let (id, met) = state.withLock { state in
            state.next += 1
            state.arrivals += 1
            let arrivals = state.arrivals
            let met = state.watchers.filter { $0.count <= arrivals }.map(\.continuation)
            state.watchers.removeAll { $0.count <= arrivals }
            return (state.next, met)
        }
        for continuation in met { continuation.resume() }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let outcome = state.withLock { state -> Result<Void, any Error>? in
                    if state.cancelled.remove(id) != nil { return .failure(CancellationError()) }
                    if state.isOpen { return .success(()) }
                    state.waiting[id] = continuation
                    return nil
                }
                if let outcome { continuation.resume(with: outcome) }
            }
        } onCancel: {
            guard cancellable else { return }
            let waiting = state.withLock { state -> CheckedContinuation<Void, any Error>? in
                let waiting = state.waiting.removeValue(forKey: id)
                if waiting == nil { state.cancelled.insert(id) }
                return waiting
            }
            waiting?.resume(throwing: CancellationError())
        }
    }
}
