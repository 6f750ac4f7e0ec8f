import StepCore
import StepEvents
import StepLocks

/// Tasks that wait for runs to end.
final class ResultWaiters: Sendable {
    private struct State {
        var next: UInt64 = 0
        var waiting: [RunID: [UInt64: CheckedContinuation<EncodedValue, any Error>]] = [:]
        /// Waits that were cancelled before they were registered.
        var cancelled: Set<UInt64> = []
    }

    private let state = Locked(State())

    func token() -> UInt64 {
        state.withLock { state in
            state.next += 1
            return state.next
        }
    }

    func register(_ token: UInt64, for run: RunID, _ continuation: CheckedContinuation<EncodedValue, any Error>) {
        let isCancelled = state.withLock { state in
            if state.cancelled.remove(token) != nil { return true }
            state.waiting[run, default: [:]][token] = continuation
            return false
        }
        if isCancelled { continuation.resume(throwing: CancellationError()) }
    }

    /// The task that waits was cancelled; the run goes on.
    func cancel(_ token: UInt64, for run: RunID) {
        let continuation = state.withLock { state in
            let found = state.waiting[run]?.removeValue(forKey: token)
            if state.waiting[run]?.isEmpty == true { state.waiting[run] = nil }
            if found == nil { state.cancelled.insert(token) }
            return found
        }
        continuation?.resume(throwing: CancellationError())
    }

    /// A wait is over in any case: forget a cancellation that came too late.
    func forget(_ token: UInt64) { state.withLock { _ = $0.cancelled.remove(token) } }

    func resolve(_ run: RunID, _ outcome: Result<EncodedValue, any Error>) {
        let waiting = state.withLock { $0.waiting.removeValue(forKey: run) }
        for continuation in (waiting ?? [:]).values { continuation.resume(with: outcome) }
    }

    func fail(_ error: any Error) {
        let waiting = state.withLock { state in
            defer { state.waiting = [:] }
            return state.waiting.values
        }
        for continuation in waiting.flatMap(\.values) { continuation.resume(throwing: error) }
    }
}
