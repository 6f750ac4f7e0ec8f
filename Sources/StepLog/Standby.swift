import StepLocks

/// Waits for a store that another engine has open, until it is free or nobody wants it any more.
///
/// It looks again and again, at first soon, then four times a second: the kernel's lock could also be waited for, but
/// not by a thread that must let go when asked.
package final class Standby: Sendable {
    private let monitor = Monitor()
    /// Changed with `monitor` locked.
    private let cancelled = Locked(false)

    private static let shortest: UInt64 = 10_000_000
    private static let longest: UInt64 = 250_000_000

    package init() {}

    /// Whether the waiting was called off.
    package var isCancelled: Bool { cancelled.withLock { $0 } }

    /// Ends the waiting, also one that begins later. Opening then throws that the store is in use.
    package func cancel() {
        monitor.withLock {
            cancelled.withLock { $0 = true }
            monitor.broadcast()
        }
    }

    /// Calls `open` until it no more throws `inUse`.
    func untilFree<T>(_ clock: any StoreClock, _ open: () throws(StoreError) -> T) throws(StoreError) -> T {
        var pause = Self.shortest
        while true {
            do {
                return try open()
            } catch {
                guard case .inUse = error.code, wait(clock, pause) else { throw error }
                pause = min(pause * 2, Self.longest)
            }
        }
    }

    /// Returns false when the waiting was called off.
    private func wait(_ clock: any StoreClock, _ pause: UInt64) -> Bool {
        let deadline = clock.uptime + pause
        return monitor.withLock {
            while !isCancelled, clock.uptime < deadline { clock.wait(on: monitor, until: deadline) }
            return !isCancelled
        }
    }
}
