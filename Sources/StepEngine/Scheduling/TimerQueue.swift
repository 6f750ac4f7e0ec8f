import HeapModule
package import StepEvents
package import StepReplay

/// When what is due, as a value: the engine's timers without a clock or a thread.
package struct TimerQueue {
    package enum Owner: Hashable {
        /// A timer of a resident run's machine.
        case run(RunNumber, MachineTimer)
        /// A run that is not resident has something due.
        case wake(RunNumber)
        case engine(EngineAlarm)
    }

    package enum EngineAlarm: Hashable {
        case nextWindow
        case shutdownGrace
        case strandedWarning
        /// A run may have waited too long to stay in memory.
        case parking
        case trim
        case turnLimit(UInt64)
    }

    private struct Entry: Comparable {
        let deadline: UInt64
        let id: UInt64

        static func < (left: Entry, right: Entry) -> Bool {
            (left.deadline, left.id) < (right.deadline, right.id)
        }
    }

    /// The earliest of some timers, by each clock.
    package struct Earliest: Hashable, Sendable {
        package var uptime: UInt64?
        package var wall: Timestamp?

        package init() {}

        package mutating func merge(_ other: Earliest) {
            if let uptime = other.uptime { self.uptime = min(self.uptime ?? uptime, uptime) }
            if let wall = other.wall { self.wall = min(self.wall ?? wall, wall) }
        }
    }

    private struct Timer {
        let owner: Owner
        let deadline: UInt64
        let followsWallClock: Bool
    }

    private struct StepOfRun: Hashable {
        let run: RunNumber
        let step: StepNumber
    }

    private var entries: [UInt64: Timer] = [:]
    private var bySteps: [StepOfRun: [UInt64]] = [:]
    private var stepsByRun: [RunNumber: Set<StepNumber>] = [:]
    /// Each alarm is set once: its earliest entry.
    private var alarms: [EngineAlarm: Entry] = [:]
    /// In nanoseconds of uptime.
    private var uptimes = Heap<Entry>()
    /// In nanoseconds of wall-clock time.
    private var walls = Heap<Entry>()
    private var nextID: UInt64 = 0

    package init() {}

    /// Whether a deadline follows the wall clock, which can be set.
    var hasWallTimers: Bool { !walls.isEmpty }
    var count: Int { entries.count }

    package mutating func add(_ owner: Owner, uptime: UInt64) {
        guard case .engine(let alarm) = owner else { return uptimes.insert(entry(owner, uptime, false)) }
        if let earlier = alarms[alarm] {
            guard uptime < earlier.deadline else { return }
            entries[earlier.id] = nil
        }
        let entry = entry(owner, uptime, false)
        alarms[alarm] = entry
        uptimes.insert(entry)
    }

    mutating func add(_ owner: Owner, wall: Timestamp) {
        walls.insert(entry(owner, UInt64(max(0, wall.nanoseconds)), true))
    }

    private mutating func entry(_ owner: Owner, _ deadline: UInt64, _ followsWallClock: Bool) -> Entry {
        nextID += 1
        entries[nextID] = Timer(owner: owner, deadline: deadline, followsWallClock: followsWallClock)
        if case .run(let run, let timer) = owner {
            bySteps[StepOfRun(run: run, step: timer.step), default: []].append(nextID)
            stepsByRun[run, default: []].insert(timer.step)
        }
        return Entry(deadline: deadline, id: nextID)
    }

    /// Returns when the first of them was due.
    mutating func clear(_ run: RunNumber, _ step: StepNumber) -> Earliest {
        var earliest = Earliest()
        for id in bySteps.removeValue(forKey: StepOfRun(run: run, step: step)) ?? [] {
            guard let timer = entries.removeValue(forKey: id) else { continue }
            var due = Earliest()
            if timer.followsWallClock {
                due.wall = Timestamp(nanoseconds: Int64(clamping: timer.deadline))
            } else {
                due.uptime = timer.deadline
            }
            earliest.merge(due)
        }
        stepsByRun[run]?.remove(step)
        if stepsByRun[run]?.isEmpty == true { stepsByRun[run] = nil }
        sweep()
        return earliest
    }

    mutating func clear(_ run: RunNumber) {
        for step in stepsByRun.removeValue(forKey: run) ?? [] {
            for id in bySteps.removeValue(forKey: StepOfRun(run: run, step: step)) ?? [] { entries[id] = nil }
        }
        sweep()
    }

    package mutating func clear(_ alarm: EngineAlarm) {
        if let entry = alarms.removeValue(forKey: alarm) { entries[entry.id] = nil }
    }

    /// Takes what is due, earliest first.
    package mutating func takeDue(uptime: UInt64, now: Timestamp) -> [Owner] {
        var due: [Owner] = []
        while let first = uptimes.min, first.deadline <= uptime {
            uptimes.removeMin()
            if let owner = take(first.id) { due.append(owner) }
        }
        let wall = UInt64(max(0, now.nanoseconds))
        while let first = walls.min, first.deadline <= wall {
            walls.removeMin()
            if let owner = take(first.id) { due.append(owner) }
        }
        return due
    }

    /// When to look again, in uptime.
    mutating func nextDeadline(uptime: UInt64, now: Timestamp) -> UInt64? {
        while let first = uptimes.min, entries[first.id] == nil { uptimes.removeMin() }
        while let first = walls.min, entries[first.id] == nil { walls.removeMin() }
        var deadline = uptimes.min?.deadline
        if let first = walls.min {
            let wall = UInt64(max(0, now.nanoseconds))
            let wait = first.deadline > wall ? first.deadline - wall : 0
            deadline = min(deadline ?? .max, uptime.addingReportingOverflow(wait).overflow ? .max : uptime + wait)
        }
        return deadline
    }

    private mutating func take(_ id: UInt64) -> Owner? {
        guard let owner = entries.removeValue(forKey: id)?.owner else { return nil }
        if case .engine(let alarm) = owner { alarms[alarm] = nil }
        if case .run(let run, let timer) = owner {
            let key = StepOfRun(run: run, step: timer.step)
            bySteps[key]?.removeAll { $0 == id }
            if bySteps[key]?.isEmpty == true {
                bySteps[key] = nil
                stepsByRun[run]?.remove(timer.step)
                if stepsByRun[run]?.isEmpty == true { stepsByRun[run] = nil }
            }
        }
        return owner
    }

    /// Cleared entries stay in the heaps until they outnumber the others: a wait of a week that is over in a second
    /// must not stay for a week.
    private mutating func sweep() {
        guard uptimes.count + walls.count > 2 * entries.count + 1_024 else { return }
        uptimes = Heap(uptimes.unordered.filter { entries[$0.id] != nil })
        walls = Heap(walls.unordered.filter { entries[$0.id] != nil })
    }
}
