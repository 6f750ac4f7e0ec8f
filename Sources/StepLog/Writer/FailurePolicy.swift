/// What a transaction failed with, and where.
enum WriteFailure: Error, Hashable {
    /// Before the commit was asked for: nothing of it is on disk.
    case building(TablesError)
    /// By the commit itself.
    case committing(TablesError)
    /// The log's own checks refused it.
    case refused(StoreError)

    init(_ error: any Error, committing: Bool) {
        switch error {
        case let error as TablesError: self = committing ? .committing(error) : .building(error)
        case let error as StoreError: self = .refused(error)
        default: self = .refused(StoreError(.system, "\(error)"))
        }
    }
}

/// Decides what to do about a failed transaction. A value without effects: the writer carries out what it returns.
struct FailurePolicy: Hashable {
    enum Action: Hashable {
        /// Free what dead readers hold, make the map larger, write the same transaction again.
        case growAndRetry
        /// Write the first half of the commands, then the rest.
        case halveAndRetry
        /// Nothing is harmed: keep the commands and try again when there may be room.
        case waitForRoom(StoreError)
        /// Another engine owns the store.
        case fence(StoreError)
        /// Never write again. `unknown` says whether the transaction may be on disk all the same.
        case poison(StoreError, unknown: Bool)
    }

    private var hasGrown = false
    private var hasHalved = false

    mutating func succeeded() { self = FailurePolicy() }

    /// Growing the map failed.
    func growthFailed(_ error: TablesError) -> Action {
        .waitForRoom(StoreError(.storageFull, "the map can't grow: \(error)"))
    }

    mutating func action(for failure: WriteFailure) -> Action {
        switch failure {
        case .refused(let error) where error.code == .fenced: return .fence(error)
        case .refused(let error): return .poison(error, unknown: false)
        case .building(let error), .committing(let error): return action(for: error)
        }
    }

    private mutating func action(for error: TablesError) -> Action {
        switch error.kind {
        case .mapFull:
            if hasGrown { return full(error) }
            hasGrown = true
            return .growAndRetry
        case .transient:
            if hasHalved { return full(error) }
            hasHalved = true
            return .halveAndRetry
        case .noSpace: return full(error)
        case .readersFull, .damaged, .closed, .fatal:
            return .poison(StoreError(.commitOutcomeUnknown, "a commit failed: \(error)"), unknown: true)
        }
    }

    private func full(_ error: TablesError) -> Action { .waitForRoom(StoreError(.storageFull, "\(error)")) }
}
