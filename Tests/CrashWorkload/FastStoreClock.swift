package import StepEvents
package import StepLog

/// The machine's clock for a store whose durations pass faster: what it does once a second or every ten, and what it
/// waits for, happens within a life of some milliseconds. Times in records stay what they are.
package struct FastStoreClock: StoreClock {
    /// How many nanoseconds pass in one.
    private static let factor: UInt64 = 200
    private let real = SystemStoreClock()

    package init() {}

    package var now: Timestamp { real.now }
    package var uptime: UInt64 { real.uptime &* Self.factor }

    package func wait(on monitor: Monitor, until deadline: UInt64?) {
        real.wait(on: monitor, until: deadline.map { $0 / Self.factor + 1 })
    }
}
