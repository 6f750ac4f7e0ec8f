/// Whether a store takes commands.
package enum StoreHealth: Hashable, Sendable {
    case healthy
    /// Above 80 % of the quota; everything is still accepted.
    case fillingUp(quotaBytes: Int)
    /// New runs, or everything but completions, are refused until there is room.
    case full(StoreError)
    /// Another engine took over. Final.
    case fenced(StoreError)
    /// Final until the store is opened again.
    case poisoned(StoreError)

    /// The error that ends the store's service, if one does.
    package var finalError: StoreError? {
        switch self {
        case .fenced(let error), .poisoned(let error): error
        case .healthy, .fillingUp, .full: nil
        }
    }
}

/// Called on the log's writer thread when the health of a store changes, healing included.
package typealias HealthObserver = @Sendable (StoreHealth) -> Void
