import StepEvents
import StepLocks

/// Callers that wait until something is durable, by token.
final class PendingAnswers: Sendable {
    private struct State {
        var next: UInt64 = 0
        var waiting: [UInt64: CheckedContinuation<Void, any Error>] = [:]
        var failure: (any Error)?
    }

    private let state = Locked(State())

    /// Calls `begin` with a token and waits for its answer.
    func wait(_ begin: (UInt64) -> Void) async throws {
        try await withCheckedThrowingContinuation { continuation in
            let token = state.withLock { state -> Result<UInt64, any Error> in
                if let failure = state.failure { return .failure(failure) }
                state.next += 1
                state.waiting[state.next] = continuation
                return .success(state.next)
            }
            switch token {
            case .success(let token): begin(token)
            case .failure(let error): continuation.resume(throwing: error)
            }
        }
    }

    func answer(_ token: UInt64, _ outcome: Result<Void, any Error>) {
        state.withLock { $0.waiting.removeValue(forKey: token) }?.resume(with: outcome)
    }

    /// Answers everyone, and everyone who comes later, with an error.
    func fail(_ error: any Error) {
        let waiting = state.withLock { state in
            state.failure = error
            defer { state.waiting = [:] }
            return state.waiting.values
        }
        for continuation in waiting { continuation.resume(throwing: error) }
    }
}
