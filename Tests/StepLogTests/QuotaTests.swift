import Glibc
import LMDB
import StepEvents
import StepLocks
import StepLog
import TestSupport
import Testing

@Suite("Quota and reserve")
struct QuotaTests {
    private static let commands: [Command.Priority] = [.newRun, .normal, .completion]

    /// What a store takes just now, by priority.
    private func accepted(_ store: EventStore) -> [Bool] {
        Self.commands.map { store.submitError(Command(batch: EventBatch(), priority: $0)) == nil }
    }

    @Test(
        "The nearer the quota, the less is accepted",
        arguments: [
            (79, "healthy", [true, true, true]), (85, "fillingUp", [true, true, true]),
            (92, "full", [false, true, true]), (97, "full", [false, false, true]),
        ])
    func levels(percent: Int, health: String, accepts: [Bool]) throws {
        let used = try TestStore(.memory).store.info.usedBytes
        // What opening adds is a few hundred bytes, so the store is filled up to a size that dwarfs it.
        let test = try TestStore(.memory, options: { $0.quotaBytes = 1_000_000 })
        var script = RunScript()
        let fill = 1_000_000 / 100 * percent - used - 2_000
        let run = try script.start(input: Payload([UInt8](repeating: 32, count: fill)))
        test.clock.advance(by: .seconds(1))
        try test.commit(run.command)
        #expect(test.store.health.kind == health)
        #expect(accepted(test.store) == accepts)
        test.store.close()
    }

    @Test("Who is refused reads what runs out, and how much must be freed")
    func shortage() throws {
        let space = StoreOptions.Space(freeBytes: 1 << 20, totalBytes: 1 << 30)
        let full = try TestStore(.lmdb, options: { $0.space = { _ in space } })
        let disk = full.store.submitError(Command(batch: EventBatch(), priority: .newRun))
        #expect(disk?.detail.contains("the disk has 1048576 bytes free") == true)
        #expect(disk?.detail.contains("free 66060288 bytes") == true)
        full.store.close()

        let small = try TestStore(.lmdb, options: { $0.quotaBytes = 20_000 })
        let quota = small.store.submitError(Command(batch: EventBatch(), priority: .newRun))
        #expect(quota?.detail.contains("of the quota of 20000 are in use") == true)
        small.store.close()
    }

    @Test("When room runs out, readers far behind are named")
    func lateReaders() throws {
        let free = Locked(1 << 40)
        let test = try TestStore(
            .lmdb,
            options: {
                $0.tables.durability = .noneForTestsOnly
                $0.space = { _ in StoreOptions.Space(freeBytes: free.withLock { $0 }, totalBytes: 1 << 40) }
            })
        var script = RunScript()
        try test.store.read { _ throws in
            for _ in 0..<1_001 { try test.commit(try script.start().command) }
            free.withLock { $0 = 0 }
            test.clock.advance(by: .seconds(1))
            try test.commit(try script.start().command)
        }
        let error = test.store.submitError(Command(batch: EventBatch(), priority: .newRun))
        #expect(error?.detail.contains("more than 1000 commits behind: process \(getpid())") == true)
        test.store.close()
    }

    @Test("Free pages inside the file don't count, and a quota that is raised lets work in again")
    func lmdb() throws {
        try withStore(.lmdb, options: { $0.quotaBytes = 1 << 20 }) { test in
            var script = RunScript()
            for _ in 0..<30 {
                test.clock.advance(by: .seconds(1))
                let run = try script.start(input: Payload([UInt8](repeating: 32, count: 60_000)))
                guard test.store.submitError(run.command) == nil else { break }
                test.store.commitPending()
            }
            #expect(accepted(test.store) == [false, true, true])
            let last = script.lastRun
            for step in 0..<3 {
                test.clock.advance(by: .seconds(1))
                let body = WaitStarted(
                    key: StepKey(scope: String(repeating: "g", count: 60_000), id: "w\(step)", occurrence: 0),
                    signal: "s", timeoutAt: nil)
                let run = RunNumber(last.value - 1)
                try test.commit(try script.command(run, [.waitStarted(body)], priority: .completion))
            }
            #expect(accepted(test.store) == [false, false, true])
            #expect(test.store.submitError(Command(batch: EventBatch()))?.isRetryable == true)
            try test.reopen { $0.quotaBytes = 64 << 20 }
            #expect(accepted(test.store) == [true, true, true])
        }
    }

    @Test("The file system's reserve is kept free, and work goes on by itself once there is room")
    func reserve() throws {
        let free = Locked(1 << 40)
        let total = 100 << 30
        let space: @Sendable (String) -> StoreOptions.Space? = { _ in
            StoreOptions.Space(freeBytes: free.withLock { $0 }, totalBytes: total)
        }
        try withStore(.lmdb, options: { $0.space = space }) { test in
            var script = RunScript()
            let start = try script.start()
            try test.commit(start.command)
            #expect(accepted(test.store) == [true, true, true])

            free.withLock { $0 = total / 20 - 1 }
            test.clock.advance(by: .seconds(1))
            let key = StepKey(scope: "", id: "pay", occurrence: 0)
            try test.commit(try script.command(start.run, [.stepStarted(StepStarted(step: .new(key), attempt: 1))]))
            #expect(accepted(test.store) == [false, false, true])
            #expect(test.store.health.kind == "full")
            // The barrier that was accepted.
            test.store.commitPending()

            free.withLock { $0 = total / 20 }
            test.clock.advance(by: .seconds(3))
            test.store.commitPending()
            #expect(accepted(test.store) == [true, true, true])
            #expect(test.store.health.kind == "healthy")
            test.store.commitPending()
        }
    }
}
