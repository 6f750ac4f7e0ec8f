/// What a worker is to do; handed over as JSON in its one argument.
package struct WorkerOrders: Codable, Hashable, Sendable {
    /// The store's directory.
    package var store: String
    package var plans: [Plan]
    /// How many runs are under way at once.
    package var width = 1
    /// Whether the store's own durations pass faster.
    package var isHasty = false
    /// Lets the worker give up once so many calls were struck: the disk is not going to have room again.
    package var givesUpAfter: UInt64?
    /// Whether to tell when the store is full, or to give up then.
    package var tellsWhenFull = false
    package var givesUpWhenFull = false
    /// The size that no file may exceed, in bytes.
    package var fileSizeLimit: UInt64?
    /// Whether to verify the store at the end, and to tell what its histories hold.
    package var verifies = false

    package init(store: String, plans: [Plan]) {
        self.store = store
        self.plans = plans
    }
}
