import StepEvents
import StepLocks
import StepLog
import StepReplay
import Synchronization

/// Sees to it that a run whose function computes for long between two steps does not keep from the log what it
/// accepted before, and what comes for it meanwhile: its instance is flushed from here after a millisecond.
///
/// Each thread that drains has a place here. The watching thread looks when the longest drain comes of age, and sleeps
/// while nothing is drained.
///
/// `@unchecked Sendable`: `monitor` guards `isStopped`; the rest never changes or guards itself.
final class FlushWatch: @unchecked Sendable {
    /// What one thread drains.
    final class Place: Sendable {
        fileprivate let instance = Locked<WorkflowInstance?>(nil)
        /// When that began or was flushed last, in nanoseconds of uptime; 0 while nothing is drained.
        fileprivate let since = Atomic<UInt64>(0)
    }

    let places: [Place]
    /// In nanoseconds. `nil`: nobody watches, and ``flushAll()`` is called by who wants it.
    private let limit: UInt64?
    private let monitor = Monitor()
    private let isAsleep = Atomic<Bool>(false)
    private var isStopped = false

    /// How often it looks in vain before it sleeps: waking it costs a system call, which steps that follow one another
    /// within milliseconds should not pay each.
    private static let patience = 16

    init(places: Int, limit: Duration?) {
        self.places = (0..<places).map { _ in Place() }
        self.limit = limit.map { UInt64(max(1, $0.clampedNanoseconds)) }
        if self.limit != nil { EngineThread.start { [self] in watch() } }
    }

    func drain(_ instance: WorkflowInstance, at place: Place) {
        place.instance.withLock { $0 = instance }
        // In one order with what the watching thread does before it sleeps: one of the two sees the other.
        place.since.store(limit == nil ? 1 : SystemClock.monotonic, ordering: .sequentiallyConsistent)
        if isAsleep.load(ordering: .sequentiallyConsistent) { monitor.withLock { monitor.signal() } }
        instance.drain()
        place.since.store(0, ordering: .releasing)
        place.instance.withLock { $0 = nil }
    }

    /// Flushes every instance that is being drained.
    func flushAll() {
        for place in places { place.instance.withLock { $0 }?.flush() }
    }

    func stop() {
        monitor.withLock {
            isStopped = true
            monitor.signal()
        }
    }

    private func watch() {
        guard let limit else { return }
        var inVain = 0
        while true {
            let next = flushOld(limit)
            inVain = next == nil ? inVain + 1 : 0
            monitor.lock()
            defer { monitor.unlock() }
            if isStopped { return }
            if inVain > Self.patience {
                isAsleep.store(true, ordering: .sequentiallyConsistent)
                while !isStopped, places.allSatisfy({ $0.since.load(ordering: .sequentiallyConsistent) == 0 }) {
                    monitor.wait()
                }
                isAsleep.store(false, ordering: .relaxed)
                inVain = 0
            } else {
                monitor.wait(untilMonotonic: next ?? SystemClock.monotonic + limit)
            }
        }
    }

    /// Flushes what has been drained for too long. Returns when to look again; `nil` where nothing is drained.
    private func flushOld(_ limit: UInt64) -> UInt64? {
        var next: UInt64?
        for place in places {
            let since = place.since.load(ordering: .acquiring)
            guard since != 0 else { continue }
            let now = SystemClock.monotonic
            guard now >= since + limit else {
                next = min(next ?? .max, since + limit)
                continue
            }
            next = min(next ?? .max, now + limit)
            // Where the thread has gone on to another instance, that one's time counts.
            guard place.since.compareExchange(expected: since, desired: now, ordering: .acquiringAndReleasing).exchanged
            else { continue }
            place.instance.withLock { $0 }?.flush()
        }
        return next
    }
}
