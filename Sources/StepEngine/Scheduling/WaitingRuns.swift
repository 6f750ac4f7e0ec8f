import HeapModule
import StepEvents

/// Residents that do nothing but wait, in the order in which they leave memory when there is no room: the longest
/// waiting first.
struct WaitingRuns {
    private struct Entry: Comparable {
        let since: UInt64
        let run: RunNumber

        static func < (left: Entry, right: Entry) -> Bool { (left.since, left.run) < (right.since, right.run) }
    }

    /// In uptime.
    private var since: [RunNumber: UInt64] = [:]
    /// With entries that no longer hold: they are passed over when their turn comes.
    private var entries = Heap<Entry>()
    /// Those that were told to leave and have not left.
    private var leaving: Set<RunNumber> = []

    var count: Int { since.count }
    var leavingCount: Int { leaving.count }

    /// A resident began to wait, or goes on.
    mutating func set(_ run: RunNumber, since time: UInt64?) {
        since[run] = time
        if !leaving.contains(run) { insert(run) }
    }

    /// The run has left memory.
    mutating func remove(_ run: RunNumber) {
        since[run] = nil
        leaving.remove(run)
    }

    /// A run that was told to leave was busy again and stays.
    mutating func stays(_ run: RunNumber) {
        if leaving.remove(run) != nil { insert(run) }
    }

    /// Since when the run has waited that has waited longest, of those that were not told to leave.
    var longestSince: UInt64? { mutating get { longest()?.since } }

    /// Chooses those that have waited longest, and at least since `limit`; they count as leaving from now on.
    mutating func takeLongest(_ count: Int, since limit: UInt64? = nil) -> [RunNumber] {
        var chosen: [RunNumber] = []
        while chosen.count < count, let entry = longest() {
            if let limit, entry.since > limit { break }
            entries.removeMin()
            leaving.insert(entry.run)
            chosen.append(entry.run)
        }
        return chosen
    }

    /// The first entry that still holds.
    private mutating func longest() -> Entry? {
        while let entry = entries.min {
            if since[entry.run] == entry.since, !leaving.contains(entry.run) { return entry }
            entries.removeMin()
        }
        return nil
    }

    private mutating func insert(_ run: RunNumber) {
        guard let time = since[run] else { return }
        entries.insert(Entry(since: time, run: run))
        guard entries.count > 2 * since.count + 64 else { return }
        entries = Heap(since.filter { !leaving.contains($0.key) }.map { Entry(since: $0.value, run: $0.key) })
    }
}
