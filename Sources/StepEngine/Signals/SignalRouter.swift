import StepCore
import StepEvents
import StepLocks
import StepLog
import StepReplay

/// A kept signal on its way to a waiter.
struct KeptSignal: Hashable, Sendable {
    let name: String
    let keptAt: Timestamp
}

/// Who waits for which signal among the resident runs, and whose turn it is with a name: signals and waits of one
/// name are dealt with one after the other.
final class SignalRouter: Sendable {
    struct Waiter: Hashable, Comparable, Sendable {
        let since: Timestamp
        let run: RunNumber
        let step: StepNumber

        static func < (left: Waiter, right: Waiter) -> Bool {
            (left.since, left.run, left.step) < (right.since, right.run, right.step)
        }
    }

    private struct State {
        var waiters: [String: Set<Waiter>] = [:]
        var turns: [String: [CheckedContinuation<Void, Never>]] = [:]
        var nextOffer: UInt64 = 0
        var offers: [UInt64: CheckedContinuation<SignalVerdict, any Error>] = [:]
        /// The latest time given to a kept signal, which with the name is its key.
        var lastKept = Timestamp(nanoseconds: .min)
        var failure: (any Error)?
    }

    private let state = Locked(State())

    // MARK: Waiters

    func add(_ waiter: Waiter, for name: String) {
        state.withLock { _ = $0.waiters[name, default: []].insert(waiter) }
    }

    func remove(_ waiter: Waiter, for name: String) {
        state.withLock { state in
            state.waiters[name]?.remove(waiter)
            if state.waiters[name]?.isEmpty == true { state.waiters[name] = nil }
        }
    }

    func waiters(for name: String) -> Set<Waiter> { state.withLock { $0.waiters[name] ?? [] } }

    // MARK: Turns

    /// Runs `body` when no other signal or wait of the name is being dealt with.
    func inTurn<T: Sendable>(_ name: String, _ body: () async throws -> T) async rethrows -> T {
        await withCheckedContinuation { continuation in
            let goesAhead = state.withLock { state in
                if state.turns[name] == nil {
                    state.turns[name] = []
                    return true
                }
                state.turns[name]?.append(continuation)
                return false
            }
            if goesAhead { continuation.resume() }
        }
        defer {
            let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
                guard state.turns[name]?.isEmpty == false else {
                    state.turns[name] = nil
                    return nil
                }
                return state.turns[name]?.removeFirst()
            }
            next?.resume()
        }
        return try await body()
    }

    // MARK: Offers

    /// Makes an offer under an id of its own and waits for the verdict, which is durable when it comes.
    func offer(_ send: (UInt64) -> Void) async throws -> SignalVerdict {
        try await withCheckedThrowingContinuation { continuation in
            let id = state.withLock { state -> Result<UInt64, any Error> in
                if let failure = state.failure { return .failure(failure) }
                state.nextOffer += 1
                state.offers[state.nextOffer] = continuation
                return .success(state.nextOffer)
            }
            switch id {
            case .success(let id): send(id)
            case .failure(let error): continuation.resume(throwing: error)
            }
        }
    }

    func answer(_ id: UInt64, _ verdict: Result<SignalVerdict, any Error>) {
        state.withLock { $0.offers.removeValue(forKey: id) }?.resume(with: verdict)
    }

    /// Answers every offer, also later ones, with an error.
    func fail(_ error: any Error) {
        let offers = state.withLock { state in
            state.failure = error
            defer { state.offers = [:] }
            return state.offers.values
        }
        for offer in offers { offer.resume(throwing: error) }
    }

    /// A time for a signal that is to be kept, later than that of any other.
    func keptTime(_ now: Timestamp) -> Timestamp {
        state.withLock { state in
            let next = state.lastKept.nanoseconds == .min ? now : state.lastKept.advanced(by: .nanoseconds(1))
            state.lastKept = max(now, next)
            return state.lastKept
        }
    }
}
