import StepEvents
import StepLog
import TestSupport
import Testing

@Suite("Large payloads, long texts and wide distances")
struct RecordTests {
    @Test(
        "Payloads of any size come back, in chunks when they are large", arguments: StoreForm.allCases,
        [0, 65_000, 65_536, 65_537, 131_072, 131_073, 1_000_000])
    func payloads(form: StoreForm, size: Int) throws {
        try withStore(form) { test in
            var generator = SeededGenerator(seed: UInt64(size))
            let output = Payload(generator.bytes(size))
            var script = RunScript()
            let start = try script.start(observer: nil)
            let end = try script.command(start.run, [.runSucceeded(RunSucceeded(output: output))])
            try test.commit([start.command, end])
            try test.crash()
            let history = try test.store.history(of: start.run)
            guard case .runSucceeded(let body)? = history.last?.event.body else {
                Issue.record("the run did not succeed")
                return
            }
            #expect(body.output == output)
            let chunks = try test.store.read { try $0.statistics().chunks }
            #expect(chunks == (size > Limits.inlinePayloadBytes ? (size + 65_535) / 65_536 : 0))
        }
    }

    @Test("A missing and a changed chunk are damage, with the record's place")
    func damagedChunks() throws {
        for changes in [true, false] {
            let test = try TestStore(.memory)
            var script = RunScript()
            let start = try script.start(input: Payload([UInt8](repeating: 7, count: 200_000)))
            try test.commit(start.command)
            let tables = try #require(test.memory)
            let transaction = try tables.beginWrite()
            let key: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1]
            var chunk = try #require(try transaction.get(.blobs, key))
            if changes {
                chunk[5_000] ^= 1
                try transaction.put(.blobs, key, chunk)
            } else {
                try transaction.delete(.blobs, key)
            }
            try transaction.commit()
            let error = #expect(throws: StoreError.self) { try test.store.history(of: start.run) }
            #expect(error?.code == .damaged)
            #expect(error?.lsn == LSN(3))
            #expect(error?.runNumber == start.run.value)
            #expect(try test.store.verify().findings.first?.code == .record)
        }
    }

    @Test("Texts too long for a key are found again, and told apart", arguments: StoreForm.allCases)
    func longTexts(form: StoreForm) throws {
        try withStore(form) { test in
            var script = RunScript()
            let texts = [253, 254, 255, 256, 512].map { String(repeating: "x", count: $0) }
            var runs: [String: RunNumber] = [:]
            for workflow in texts {
                for key in texts {
                    let start = try script.start(workflow: workflow, key: key)
                    runs["\(workflow)/\(key)"] = start.run
                    try test.commit(start.command)
                }
            }
            for workflow in texts {
                for key in texts {
                    let found = try test.store.read { try $0.run(workflow: workflow, key: key)?.number }
                    #expect(found == runs["\(workflow)/\(key)"])
                }
            }
            #expect(try test.store.read { try $0.run(workflow: texts[4], key: texts[4] + "y") } == nil)

            let signals = [254, 255, 1_024].map { String(repeating: "s", count: $0) }
            for (index, signal) in signals.enumerated() {
                let run = RunNumber(UInt64(index + 1))
                let key = StepKey(scope: "", id: "wait", occurrence: 0)
                try test.commit(
                    try script.command(
                        run, [.waitStarted(WaitStarted(key: key, signal: signal, timeoutAt: nil))]))
                let until = script.time.advanced(by: .seconds(60))
                let kept = SignalKept(signal: signal, payload: .null, until: until)
                try test.commit(script.storeCommand([.signalKept(kept)]))
                try test.store.read { snapshot throws in
                    #expect(try snapshot.waiters(of: signal).map(\.run) == [run])
                    #expect(try snapshot.kept(signal).map(\.until) == [until])
                }
            }
        }
    }

    @Test("Timers come in the order of their time, and leave with what they belong to", arguments: StoreForm.allCases)
    func timers(form: StoreForm) throws {
        try withStore(form) { test in
            var script = RunScript()
            let run = try script.start()
            let base = script.time
            func key(_ id: String) -> StepKey { StepKey(scope: "", id: id, occurrence: 0) }
            func at(_ seconds: Int) -> Timestamp { base.advanced(by: .seconds(seconds)) }
            let bodies: [EventBody] = [
                .slept(Slept(key: key("nap"), until: at(30))),
                .waitStarted(WaitStarted(key: key("ok"), signal: "ok", timeoutAt: at(10))),
                .stepStarted(StepStarted(step: .new(key("pay")), attempt: 1)),
                .stepFailed(
                    StepFailed(step: StepNumber(3), failure: Failure(type: "E", message: "m"), retryAt: at(20))),
            ]
            try test.commit([run.command, try script.command(run.run, bodies)])
            let kept = SignalKept(signal: "late", payload: .null, until: at(25))
            try test.commit(script.storeCommand([.signalKept(kept)]))
            let keptAt = script.time
            try test.store.read { snapshot throws in
                let timers = try snapshot.timers(dueBefore: .distantFuture, limit: 10)
                #expect(timers.map(\.due) == [at(10), at(20), at(25), at(30)])
                #expect(
                    timers.map(\.owner) == [
                        .step(run.run, StepNumber(2)), .step(run.run, StepNumber(3)), .keptSignal(LSN(9)),
                        .step(run.run, StepNumber(1)),
                    ])
                #expect(try snapshot.timers(dueBefore: at(20), limit: 10).count == 2)
                #expect(try snapshot.timers(dueBefore: at(20), limit: 1).count == 1)
                #expect(try snapshot.nextTimer()?.due == at(10))
                #expect(try snapshot.nextTimer(after: at(10))?.due == at(20))
                #expect(try snapshot.waiters(of: "ok").count == 1)
            }
            try test.commit(script.storeCommand([.signalExpired(SignalExpired(signal: "late", keptAt: keptAt))]))
            try test.commit(
                try script.command(run.run, [.runFailed(RunFailed(failure: Failure(type: "E", message: "")))]))
            try test.store.read { snapshot throws in
                #expect(try snapshot.nextTimer() == nil)
                #expect(try snapshot.waiters(of: "ok").isEmpty)
                #expect(try snapshot.kept("late").isEmpty)
                #expect(try snapshot.openRuns().isEmpty)
            }
        }
    }

    @Test("Runs are listed from both ends", arguments: StoreForm.allCases)
    func lists(form: StoreForm) throws {
        try withStore(form) { test in
            var script = RunScript()
            for _ in 0..<5 { try test.commit(try script.start().command) }
            try test.store.read { snapshot throws in
                #expect(try snapshot.runs(limit: 2).map(\.number.value) == [5, 4])
                #expect(try snapshot.runs(before: RunNumber(4), limit: 9).map(\.number.value) == [3, 2, 1])
                #expect(try snapshot.runs(before: RunNumber(1), limit: 9).isEmpty)
                #expect(try snapshot.runs(after: RunNumber(3), limit: 9).map(\.number.value) == [4, 5])
                #expect(try snapshot.lastRun() == RunNumber(5))
                #expect(try snapshot.openRuns(after: RunNumber(2), limit: 2).map(\.value) == [3, 4])
                #expect(try snapshot.events(after: .zero, limit: 3).count == 3)
            }
        }
    }

    @Test("The checkpoint bounds what recovery reads, and runs are found past it", arguments: StoreForm.allCases)
    func checkpoint(form: StoreForm) throws {
        try withStore(form) { test in
            var script = RunScript()
            let quiet = try script.start()
            let busy = try script.start()
            try test.commit([quiet.command, busy.command])
            for step in 0..<60 {
                // Past the interval every fourth time.
                test.clock.advance(by: .seconds(3))
                for run in step == 1 ? [quiet.run, busy.run] : [busy.run] {
                    let sequence = script.states[run]?.nextSequence ?? 0
                    let key = StepKey(scope: "", id: "s\(step)", occurrence: 0)
                    try test.commit(
                        try script.command(
                            run,
                            [
                                .stepStarted(StepStarted(step: .new(key), attempt: 1)),
                                .stepSucceeded(StepSucceeded(step: StepNumber(sequence), result: .null)),
                            ]))
                }
                if step % 7 == 0 { try test.crash() }
            }
            try expectHolds(test.store, script)
        }
    }

    @Test("An event further than 32 bits from its run's last one keeps its chain")
    func wideDistance() throws {
        let tables = MemoryTables()
        var options = StoreOptions()
        options.clock = ManualStoreClock()
        options.writer = .manual
        let first = try EventStore.inMemory(tables, options: options)
        var script = RunScript()
        let start = try script.start()
        try first.submit(start.command)
        while first.commitPending() {}
        first.close()
        // As if billions of records had been written since.
        let far = LSN(6_000_000_000)
        let later = tables.crashClone()
        let transaction = try later.beginWrite()
        let record = CommitRecord(
            transaction: transaction.transactionID, incarnation: 1, first: far, chain: [UInt8](repeating: 0, count: 32))
        var bytes = RecordCodec.encode(Event(run: .store, sequence: 0, time: script.time, body: .commitRecord(record)))
        bytes.withUnsafeMutableBytes { RecordCodec.stamp($0, lsn: far, distance: 1) }
        try withUnsafeBytes(of: far.value.bigEndian) { key in
            try transaction.append(.log, key, count: bytes.count) { $0.copyBytes(from: bytes) }
        }
        // A checkpoint there, with no stale heads.
        var rest = ByteWriter()
        rest.fixed(far.value)
        rest.fixed(UInt32(0))
        var value = ByteWriter()
        value.fixed(CRC32C.of(rest.bytes))
        value.bytes += rest.bytes
        try transaction.put(.meta, Array("checkpoint".utf8), value.bytes)
        try transaction.commit()

        options.acceptRollback = true
        let store = try EventStore.inMemory(later, options: options)
        for size in [10, 100_000] {
            let key = StepKey(scope: "", id: "late-\(size)", occurrence: 0)
            let bodies: [EventBody] =
                size == 10
                ? [.stepStarted(StepStarted(step: .new(key), attempt: 1))]
                : [
                    .stepSucceeded(
                        StepSucceeded(step: StepNumber(1), result: Payload([UInt8](repeating: 1, count: size))))
                ]
            try store.submit(try script.command(start.run, bodies))
            while store.commitPending() {}
        }
        let history = try store.history(of: start.run)
        #expect(history.map(\.event) == script.histories[start.run])
        #expect(history[1].lsn.value > far.value)
        #expect(history[1].previous == LSN(3))
        store.close()
    }
}
