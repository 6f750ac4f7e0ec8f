import LMDB
import StepEvents
import StepLocks
import StepLog
import TestSupport
import Testing

@Suite("Standing by for a store in use", .timeLimit(.minutes(5)))
struct StandbyTests {
    /// Time passes exactly as it is waited for, and something may happen at each wait.
    private final class WaitingClock: StoreClock {
        private struct State {
            var uptime: UInt64 = 1
            var pauses: [UInt64] = []
        }

        private let state = Locked(State())
        private let atWait: @Sendable (Int) -> Void

        init(_ atWait: @escaping @Sendable (Int) -> Void) { self.atWait = atWait }

        var now: Timestamp { Timestamp(nanoseconds: 1_772_000_000_000_000_000) }
        var uptime: UInt64 { state.withLock { $0.uptime } }
        /// How long was waited each time, in milliseconds.
        var pauses: [UInt64] { state.withLock { $0.pauses } }

        func wait(on monitor: Monitor, until deadline: UInt64?) {
            let count = state.withLock { state in
                let deadline = deadline ?? state.uptime
                state.pauses.append((deadline - state.uptime) / 1_000_000)
                state.uptime = deadline
                return state.pauses.count
            }
            // As if another thread had done it while this one waits.
            monitor.unlock()
            atWait(count)
            monitor.lock()
        }
    }

    @Test("It takes over once the store is closed, and looks at first soon, then four times a second")
    func takesOver() throws {
        let test = try TestStore(.lmdb)
        var script = RunScript()
        try test.commit(try script.start(key: "k").command)
        let holder = test.store
        let clock = WaitingClock { if $0 == 9 { holder.close() } }
        var options = test.options
        options.clock = clock
        options.standby = Standby()
        options.writer = .manual
        let store = try EventStore.openLMDB(directory: test.directory, options: options)
        defer { store.close() }
        #expect(clock.pauses == [10, 20, 40, 80, 160, 250, 250, 250, 250])
        #expect(try store.read { try $0.lastRun() } == RunNumber(1))
        #expect(holder.submitError(Command(batch: EventBatch()))?.code == .closed)
        try test.commit([])
        try store.submit(try script.start(key: "l").command)
        store.commitPending()
        try store.requireSound()
    }

    @Test("Waiting that is called off, then or before, ends with what was the matter", arguments: [0, 1, 5])
    func cancelled(after waits: Int) throws {
        let test = try TestStore(.lmdb)
        defer { test.store.close() }
        let standby = Standby()
        let clock = WaitingClock { if $0 == waits { standby.cancel() } }
        if waits == 0 { standby.cancel() }
        var options = test.options
        options.clock = clock
        options.standby = standby
        let error = openError(test.directory, options)
        guard case .inUse? = error?.code else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(clock.pauses.count == waits)
    }

    @Test("Only a store in use is waited for")
    func otherErrors() throws {
        let test = try TestStore(.lmdb)
        test.store.close()
        let clock = WaitingClock { _ in Issue.record("it waited") }
        var options = test.options
        options.clock = clock
        options.standby = Standby()
        options.tables.fileSystemType = { _ in FileSystemType(name: "nfs", suitability: .refused) }
        #expect(openError(test.directory, options)?.code == .unusable)
    }
}
