import Glibc
import LMDB
import StepEvents
import StepLocks
import StepLog
import TestSupport
import Testing

@Suite("When a commit fails")
struct FailureTests {
    @Test(
        "A full map is grown and the transaction written again", arguments: StoreForm.allCases,
        StoreFault.Place.allCases)
    func mapFull(form: StoreForm, place: StoreFault.Place) throws {
        try withStore(form) { test in
            let acks = AckRecorder()
            let before = try test.store.info.mapBytes
            test.faults.fail(.mapFull, at: place, times: 1)
            var script = RunScript()
            try test.commit(try script.start(observer: acks).command)
            #expect(acks.durable == [LSN(3)])
            #expect(try test.store.info.mapBytes == 2 * before)
            try expectHolds(test.store, script)
        }
    }

    @Test("A map too small for the work grows as often as needed", arguments: StoreForm.allCases)
    func smallMap(form: StoreForm) throws {
        try withStore(form, options: { $0.mapBytes = 256 << 10 }) { test in
            var workload = RandomWorkload(seed: 12, largePayload: 400_000)
            for _ in 0..<200 { try test.commit(try workload.next()) }
            #expect(try test.store.info.mapBytes > 256 << 10)
            try expectHolds(test.store, workload.script)
        }
    }

    @Test(
        "An interrupted transaction is written again in halves", arguments: StoreForm.allCases,
        StoreFault.Place.allCases)
    func interrupted(form: StoreForm, place: StoreFault.Place) throws {
        try withStore(form) { test in
            let acks = AckRecorder()
            var script = RunScript()
            test.faults.fail(.interrupted, at: place, times: 1)
            let commands = try (0..<4).map { try script.start(observer: acks, token: UInt64($0)).command }
            try test.commit(commands)
            #expect(acks.acks.map(\.token) == [0, 1, 2, 3])
            // Two events and a commit record, twice.
            #expect(acks.durable == [LSN(3), LSN(4), LSN(6), LSN(7)])
        }
    }

    @Test(
        "On a full disk accepted commands wait, others are refused, and it heals by itself",
        arguments: StoreForm.allCases, [StoreFault.noSpace, .interrupted, .mapFull])
    func full(form: StoreForm, fault: StoreFault) throws {
        for place in StoreFault.Place.allCases {
            try withStore(form) { test in
                let acks = AckRecorder()
                let health = Locked<[StoreHealth]>([])
                test.store.onHealthChange = { new in health.withLock { $0.append(new) } }
                var script = RunScript()
                let accepted = try script.start(observer: acks, token: 1)
                try test.store.submit(accepted.command)
                test.faults.fail(fault, at: place, times: 100)
                #expect(test.store.commitPending())
                #expect(acks.acks.isEmpty, "what was accepted is neither lost nor refused")

                var refused = script
                #expect(throws: StoreError.self) { try test.store.submit(try refused.start().command) }
                let error = test.store.submitError(Command(batch: EventBatch()))
                #expect(error?.code == .storageFull)
                #expect(error?.isRetryable == true)
                let key = StepKey(scope: "", id: "pay", occurrence: 0)
                let completion = try script.command(
                    accepted.run, [.stepStarted(StepStarted(step: .new(key), attempt: 1))], observer: acks, token: 2,
                    priority: .completion)
                try test.store.submit(completion)

                #expect(!test.store.commitPending(), "not tried again before its time")
                test.faults.heal()
                test.clock.advance(by: .seconds(2))
                while test.store.commitPending() {}
                #expect(acks.acks.map(\.token) == [1, 2])
                #expect(acks.errors.isEmpty)
                #expect(health.withLock { $0.map(\.kind) } == ["full", "healthy"])
                #expect(test.store.submitError(Command(batch: EventBatch())) == nil)
                try expectHolds(test.store, script)
            }
        }
    }

    @Test(
        "After an I/O error nothing is written any more, and nobody is told a wrong outcome",
        arguments: StoreForm.allCases, [false, true])
    func poisoned(form: StoreForm, afterEffect: Bool) throws {
        try withStore(form) { test in
            let acks = AckRecorder()
            let health = Locked<[StoreHealth]>([])
            test.store.onHealthChange = { new in health.withLock { $0.append(new) } }
            var script = RunScript()
            let start = try script.start(observer: acks)
            try test.store.submit(start.command)
            test.faults.fail(.io, at: .commit, times: 1, afterEffect: afterEffect)
            test.store.commitPending()
            #expect(acks.errors.map(\.code) == [.commitOutcomeUnknown])
            #expect(test.store.submitError(Command(batch: EventBatch()))?.code == .poisoned)
            #expect(!test.store.commitPending(), "a failed flush is never repeated")
            #expect(health.withLock { $0.map(\.kind) } == ["poisoned"])

            try test.crash()
            let found = try test.store.history(of: start.run).count
            #expect(found == (afterEffect ? 1 : 0), "the next start finds out")
        }
    }

    @Test("A store that lost its map growing stops instead of waiting for room for ever, and can be opened again")
    func lostMap() throws {
        try withStore(.lmdb) { test in
            let acks = AckRecorder()
            var script = RunScript()
            try test.store.submit(try script.start(observer: acks).command)
            test.faults.lmdb.failNext(.put, with: LMDBError.mapFull)
            test.faults.lmdb.failNext(.setMapSize, with: ENOMEM)
            test.store.commitPending()
            test.clock.advance(by: .seconds(2))
            test.store.commitPending()
            #expect(acks.errors.map(\.code) == [.commitOutcomeUnknown])
            #expect(test.store.health.kind == "poisoned")
            test.store.close()
            try test.reopen()
        }
    }

    @Test("Each code of the database has its place in the table of failures")
    func kinds() {
        let kinds: [Int32: TablesError.Kind] = [
            LMDBError.mapFull: .mapFull, LMDBError.txnFull: .transient, EINTR: .transient, ENOMEM: .transient,
            ENOSPC: .noSpace, EDQUOT: .noSpace, EFBIG: .noSpace, LMDBError.readersFull: .readersFull,
            LMDBError.corrupted: .damaged, LMDBError.pageNotFound: .damaged, LMDBError.invalid: .damaged,
            LMDBError.panic: .fatal, LMDBError.keyExists: .fatal, EIO: .fatal, EINVAL: .fatal, EACCES: .fatal,
        ]
        for (code, kind) in kinds {
            #expect(TablesError(LMDBError(code: code, operation: "put")).kind == kind, "code \(code)")
        }
    }

    /// What the writer does about a code, wherever it comes from.
    @Test(
        "Each code is met by growing, by halves, by waiting for room or by stopping",
        arguments: [LMDBFaults.Call.beginWrite, .put, .commit],
        [
            LMDBError.mapFull, LMDBError.txnFull, EINTR, ENOMEM, ENOSPC, EDQUOT, EFBIG, LMDBError.panic,
            LMDBError.corrupted, LMDBError.keyExists, EIO,
        ])
    func table(call: LMDBFaults.Call, code: Int32) throws {
        let isFinal = [LMDBError.panic, LMDBError.corrupted, LMDBError.keyExists, EIO].contains(code)
        for isSticky in [false, true] {
            try withStore(.lmdb) { test in
                let acks = AckRecorder()
                var script = RunScript()
                try test.store.submit(try script.start(observer: acks).command)
                test.faults.lmdb.failNext(call, with: code, isSticky: isSticky)
                test.store.commitPending()
                if isFinal {
                    #expect(acks.errors.map(\.code) == [.commitOutcomeUnknown])
                    #expect(test.store.health.kind == "poisoned")
                } else {
                    let waits = isSticky || [ENOSPC, EDQUOT, EFBIG].contains(code)
                    #expect(test.store.health.kind == (waits ? "full" : "healthy"))
                    #expect(acks.acks.isEmpty == waits)
                    test.faults.heal()
                    test.clock.advance(by: .seconds(2))
                    while test.store.commitPending() {}
                    #expect(acks.errors.isEmpty)
                    #expect(acks.acks.count == 1)
                    #expect(test.store.health == .healthy)
                    try expectHolds(test.store, script)
                }
            }
        }
    }

    @Test("What waited behind a failed commit is told that it was not written", arguments: StoreForm.allCases)
    func queued(form: StoreForm) throws {
        try withStore(form) { test in
            let acks = AckRecorder()
            var script = RunScript()
            // More than one transaction takes.
            for token in 0..<UInt64(Limits.batchEvents + 3) {
                try test.store.submit(try script.start(observer: acks, token: token).command)
            }
            test.faults.fail(.io, at: .commit, times: 1)
            test.store.commitPending()
            let codes = acks.errors.map(\.code)
            #expect(codes.filter { $0 == .commitOutcomeUnknown }.count == Limits.batchEvents)
            #expect(codes.suffix(3) == [.poisoned, .poisoned, .poisoned])
            #expect(acks.acks.map(\.token) == (0..<UInt64(Limits.batchEvents + 3)).map { $0 })
        }
    }

    @Test("An event that does not follow its run's last is never written", arguments: StoreForm.allCases)
    func invariant(form: StoreForm) throws {
        try withStore(form) { test in
            let acks = AckRecorder()
            var script = RunScript()
            let start = try script.start()
            try test.commit(start.command)
            let key = StepKey(scope: "", id: "pay", occurrence: 0)
            let body = EventBody.stepStarted(StepStarted(step: .new(key), attempt: 1))
            var batch = EventBatch()
            batch.append(Event(run: start.run, sequence: 2, time: script.time, body: body))
            try test.commit(Command(batch: batch, observer: acks))
            #expect(acks.errors.map(\.code) == [.invariantBroken])
            #expect(acks.errors.first?.runNumber == start.run.value)
            #expect(test.store.health.finalError != nil)
            #expect(try test.store.history(of: start.run).count == 1)
        }
    }

    @Test("Beyond the bounds of the queue new work is told to retry", arguments: StoreForm.allCases)
    func busy(form: StoreForm) throws {
        try withStore(form) { test in
            var script = RunScript()
            let start = try script.start()
            var bulky = EventBatch()
            let output = Payload([UInt8](repeating: 32, count: Limits.queuedBytes))
            bulky.append(
                Event(run: start.run, sequence: 1, time: script.time, body: .runSucceeded(RunSucceeded(output: output)))
            )
            try test.store.submit(Command(batch: bulky))
            let error = test.store.submitError(start.command)
            #expect(error?.code == .busy)
            #expect(error?.isRetryable == true)
            #expect(test.store.submitError(Command(batch: EventBatch(), priority: .completion)) == nil)
            // The run was never started, so the batch is refused as a whole, and the store stops.
            test.store.commitPending()
            #expect(test.store.health.finalError?.code == .invariantBroken)
        }
    }

    @Test("An event too large to be read back is refused before it is accepted", arguments: StoreForm.allCases)
    func tooLarge(form: StoreForm) throws {
        try withStore(form) { test in
            var script = RunScript()
            let start = try script.start(input: Payload([UInt8](repeating: 32, count: Limits.recordBytes)))
            let error = test.store.submitError(start.command)
            #expect(error?.code == .invariantBroken)
            #expect(error?.runNumber == start.run.value)
            #expect(test.store.health == .healthy)
        }
    }

    @Test("A crash inside a commit leaves all of it or nothing", arguments: [1, 2, 3, 4, 5])
    func crashInsideCommit(seed: UInt64) throws {
        let test = try TestStore(.memory, seed: seed)
        let memory = try #require(test.memory)
        let crashes = Locked<[(kept: MemoryTables, lost: MemoryTables)]>([])
        memory.setDuringCommit {
            let pair = (memory.crashClone(keepingUnfinishedCommit: true), memory.crashClone())
            crashes.withLock { $0.append((kept: pair.0, lost: pair.1)) }
        }
        var workload = RandomWorkload(seed: seed)
        for _ in 0..<25 {
            for _ in 0..<3 { try test.store.submit(try workload.next()) }
            test.store.commitPending()
        }
        let all = crashes.withLock { $0 }
        #expect(all.count == 25)
        var last: LSN = .zero
        for crash in all {
            let kept = try EventStore.inMemory(crash.kept, options: test.options)
            let lost = try EventStore.inMemory(crash.lost, options: test.options)
            #expect(try kept.verify().isSound)
            #expect(try lost.verify().isSound)
            let end = try kept.read { try $0.lastCommit()?.lsn } ?? .zero
            #expect(try lost.read { try $0.lastCommit()?.lsn } ?? .zero < end)
            #expect(end > last)
            last = end
            kept.close()
            lost.close()
        }
        test.store.close()
    }
}

extension EventStore {
    /// The error that submitting a command gives, if it gives one.
    func submitError(_ command: Command) -> StoreError? {
        do {
            try submit(command)
            return nil
        } catch {
            return error
        }
    }
}

extension StoreHealth {
    var kind: String {
        switch self {
        case .healthy: "healthy"
        case .fillingUp: "fillingUp"
        case .full: "full"
        case .fenced: "fenced"
        case .poisoned: "poisoned"
        }
    }
}
