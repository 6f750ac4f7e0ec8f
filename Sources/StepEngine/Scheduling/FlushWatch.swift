import DequeModule
import StepEvents
import StepLocks
import StepLog
import StepReplay
import Synchronization

/// Sees to it that a run whose function computes for long between two steps does not keep from the log what it
/// accepted before, and what comes for it meanwhile: its instance is flushed from here after a millisecond. Nor does it
/// keep from other threads for long the work that its thread took together with it.
///
/// Each thread of the pool has a place here. The watching thread looks when the longest work comes of age, and sleeps
/// while there is none. Where every thread is busy computing, what is queued waits all the same.
///
/// `@unchecked Sendable`: `monitor` guards `isStopped`; the rest never changes or guards itself.
final class FlushWatch: @unchecked Sendable {
    /// What one thread does.
    final class Place: Sendable {
        /// The instance that it drains, if it does.
        fileprivate let instance = Locked<WorkflowInstance?>(nil)
        /// What it has taken and not begun.
        fileprivate let taken = Locked<Deque<WorkerPool.Work>>([])
        /// When the work began or was looked at last, in nanoseconds of uptime; 0 while there is none.
        fileprivate let since = Atomic<UInt64>(0)

        func take(_ work: some Sequence<WorkerPool.Work>) { taken.withLock { $0.append(contentsOf: work) } }
        func next() -> WorkerPool.Work? { taken.withLock { $0.popFirst() } }
    }

    let places: [Place]
    /// In nanoseconds. `nil`: nobody watches, and ``flushAll()`` is called by who wants it.
    private let limit: UInt64?
    private let monitor = Monitor()
    private let isAsleep = Atomic<Bool>(false)
    private var isStopped = false

    /// How often it looks in vain before it sleeps: waking it costs a system call, which steps that follow one another
    /// within milliseconds should not pay each.
    private static let patience = 4

    init(places: Int, limit: Duration?) {
        self.places = (0..<places).map { _ in Place() }
        self.limit = limit.map { UInt64(max(1, $0.clampedNanoseconds)) }
    }

    /// Begins to watch. `giveBack` gets work that a thread took and does not come to.
    func start(giveBack: @escaping @Sendable (Deque<WorkerPool.Work>) -> Void) {
        guard let limit else { return }
        EngineThread.start { [self] in watch(limit, giveBack) }
    }

    func perform(_ work: WorkerPool.Work, at place: Place) {
        if case .drain(let instance) = work { place.instance.withLock { $0 = instance } }
        // In one order with what the watching thread does before it sleeps: one of the two sees the other.
        place.since.store(limit == nil ? 1 : SystemClock.monotonic, ordering: .sequentiallyConsistent)
        if isAsleep.load(ordering: .sequentiallyConsistent) { monitor.withLock { monitor.signal() } }
        switch work {
        case .drain(let instance): instance.drain()
        case .job(let body): body()
        }
        place.since.store(0, ordering: .releasing)
        if case .drain = work { place.instance.withLock { $0 = nil } }
    }

    /// Flushes every instance that is being drained. Returns what their threads have taken and not begun.
    func flushAll() -> Deque<WorkerPool.Work> {
        var left: Deque<WorkerPool.Work> = []
        for place in places { left += relieve(place) }
        return left
    }

    private func flush(_ place: Place) { place.instance.withLock { $0 }?.flush() }

    private func relieve(_ place: Place) -> Deque<WorkerPool.Work> {
        flush(place)
        return place.taken.withLock { taken in
            defer { taken = [] }
            return taken
        }
    }

    func stop() {
        monitor.withLock {
            isStopped = true
            monitor.signal()
        }
    }

    /// How often the same work must be found at a place before what its thread took with it is given back. A thread
    /// that the system has set aside for a moment comes back to it sooner than another takes it up.
    private static let looksBeforeRelief = 10

    /// What the watching thread found at a place when it looked last.
    private struct Look {
        /// What it left there as the time of the work.
        var stamp: UInt64 = 0
        var count = 0
    }

    private func watch(_ limit: UInt64, _ giveBack: (Deque<WorkerPool.Work>) -> Void) {
        var looks = places.map { _ in Look() }
        var inVain = 0
        while true {
            let next = lookAround(limit, &looks, giveBack)
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

    /// Flushes what threads have been draining for too long, and relieves those that go on for longer. Returns when to
    /// look again; `nil` where none works.
    private func lookAround(
        _ limit: UInt64, _ looks: inout [Look], _ giveBack: (Deque<WorkerPool.Work>) -> Void
    ) -> UInt64? {
        var next: UInt64?
        for (index, place) in places.enumerated() {
            let since = place.since.load(ordering: .acquiring)
            guard since != 0 else { continue }
            let now = SystemClock.monotonic
            guard now >= since + limit else {
                next = min(next ?? .max, since + limit)
                continue
            }
            next = min(next ?? .max, now + limit)
            // Where the thread has gone on to other work, that one's time counts.
            guard place.since.compareExchange(expected: since, desired: now, ordering: .acquiringAndReleasing).exchanged
            else { continue }
            looks[index] = Look(stamp: now, count: looks[index].stamp == since ? looks[index].count + 1 : 1)
            if looks[index].count < Self.looksBeforeRelief {
                flush(place)
            } else {
                let left = relieve(place)
                if !left.isEmpty { giveBack(left) }
            }
        }
        return next
    }
}
