import StepCore
import StepEvents
import StepLocks
import StepReplay

extension Engine {
    /// How many runs are told to leave memory at once: what they do on their way out must not keep others waiting.
    private static let parkedAtOnce = 64
    /// A run that was woken for something must have had the time for it, or it would be parked and woken for ever.
    private static let shortestStay = Duration.seconds(1)

    /// How long a run that only waits stays in memory although there is room.
    private var longestStay: Duration? { client.parkAfter.map { max($0, Self.shortestStay) } }

    /// A run was busy again before it could be parked; another may go in its place.
    func parkRefused(_ resident: Resident) {
        let isOver = state.withLock { state in
            guard state.residents[resident.number] === resident else { return true }
            state.waiting.stays(resident.number)
            return !state.wantsRoom && !state.hasResting && client.parkAfter == nil
        }
        if !isOver { parkWaiting() }
    }

    func waitingChanged(_ resident: Resident) {
        let mustLook = state.withLock { state in
            guard state.residents[resident.number] === resident else { return false }
            // Asked for under the lock, so that the last of two changes at once counts.
            let since = resident.parkableSince
            state.waiting.set(resident.number, since: since)
            guard since != nil else { return false }
            return state.wantsRoom || state.hasResting || client.parkAfter != nil && !state.parkAlarmIsSet
        }
        if mustLook { parkWaiting() }
    }

    /// The run that had waited longest when this was set may have waited too long by now.
    func parkAlarmFired() {
        state.withLock { $0.parkAlarmIsSet = false }
        parkWaiting()
    }

    /// Parks the runs that have waited longest: as many as wait for room, and those that have waited too long.
    func parkWaiting() {
        let longestStay = longestStay
        let now = longestStay == nil ? nil : clock.uptime
        let (chosen, wait) = state.withLock { state -> ([Resident], Duration?) in
            guard state.phase.isRunning else { return ([], nil) }
            var runs = state.waiting.takeLongest(wantedRoom(state))
            var wait: Duration?
            if let longestStay, let now {
                let room = Self.parkedAtOnce - state.waiting.leavingCount
                let stay = UInt64(max(0, longestStay.clampedNanoseconds))
                runs += state.waiting.takeLongest(room, since: now > stay ? now - stay : 0)
                wait = setParkAlarm(&state, longestStay, now)
            }
            return (runs.compactMap { state.residents[$0] }, wait)
        }
        if let wait { timers.set(.engine(.parking), due: clock.now.advanced(by: wait), after: wait) }
        for resident in chosen { resident.post(.park) }
    }

    /// How many runs must leave for those that wait for room.
    private func wantedRoom(_ state: EngineState) -> Int {
        guard state.wantsRoom else {
            // They come one by one and leave again, so that none of them keeps others from memory for long.
            let over = state.hasResting ? 1 - state.roomForResting(limit: client.maxResidentRuns) : 0
            return min(Self.parkedAtOnce, over) - state.waiting.leavingCount
        }
        let free = client.maxResidentRuns - state.residents.count - state.loading.count
        // Those on their way out make room for as many.
        return min(Self.parkedAtOnce, state.queuedCount - max(0, free)) - state.waiting.leavingCount
    }

    /// One alarm serves all runs: none begins to wait earlier than the one it is set for. Returns when it is due, if it
    /// is to be set. Whoever must go now and can't, since too many are leaving, goes when one of those has left.
    private func setParkAlarm(_ state: inout EngineState, _ longestStay: Duration, _ now: UInt64) -> Duration? {
        guard !state.parkAlarmIsSet, let since = state.waiting.longestSince else { return nil }
        let wait = longestStay - .nanoseconds(Int64(clamping: now &- since))
        guard wait > .zero else { return nil }
        state.parkAlarmIsSet = true
        return wait
    }

    // MARK: Memory

    /// A run has left memory, in which the allocator keeps holes that the system sees as used.
    func hasParked() {
        let wait = state.withLock { state -> Duration? in
            guard state.phase.isRunning else { return nil }
            state.counts.parkedRuns += 1
            return state.trim.runLeft(at: clock.uptime)
        }
        guard let wait else { return }
        if wait > .zero {
            timers.set(.engine(.trim), due: clock.now.advanced(by: wait), after: wait)
        } else {
            trimMemory()
        }
    }

    /// Takes milliseconds, so it is a job of its own.
    func trimMemory() {
        state.withLock { state in
            state.trim.begins(at: clock.uptime)
            state.counts.memoryTrims += 1
        }
        pool.submit(.job(giveMemoryBack))
    }
}
