/// The last record of every transaction: it proves which transaction wrote what stands before it.
package struct CommitRecord: Hashable, Sendable {
    /// The transaction id that the database gave. Compared at open with the database's last: a torn meta page, which
    /// silently brings back an older state, is noticed by it.
    package var transaction: UInt64
    /// Which life of the store file: new for each copy, restore or shrink, since those restart transaction ids.
    package var incarnation: UInt64
    /// The first LSN of the transaction.
    package var first: LSN
    /// SHA-256 over the previous commit's chain hash and this transaction's records.
    package var chain: [UInt8]

    package init(transaction: UInt64, incarnation: UInt64, first: LSN, chain: [UInt8]) {
        self.transaction = transaction
        self.incarnation = incarnation
        self.first = first
        self.chain = chain
    }
}

/// A signal that nobody waited for is kept for the next waiter.
package struct SignalKept: Hashable, Sendable {
    package var signal: String
    package var payload: Payload
    package var until: Timestamp
    package var mark: SignalMark?

    package init(signal: String, payload: Payload, until: Timestamp, mark: SignalMark? = nil) {
        self.signal = signal
        self.payload = payload
        self.until = until
        self.mark = mark
    }
}

/// A kept signal went to a run.
package struct SignalTaken: Hashable, Sendable {
    package var signal: String
    /// The time at which the signal was kept, which with its name is its key.
    package var keptAt: Timestamp
    package var by: RunNumber

    package init(signal: String, keptAt: Timestamp, by: RunNumber) {
        self.signal = signal
        self.keptAt = keptAt
        self.by = by
    }
}

/// A kept signal's time ran out.
package struct SignalExpired: Hashable, Sendable {
    package var signal: String
    package var keptAt: Timestamp

    package init(signal: String, keptAt: Timestamp) {
        self.signal = signal
        self.keptAt = keptAt
    }
}
