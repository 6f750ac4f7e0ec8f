import StepEvents
import StepLog
import TestSupport
import Testing

@Suite("Committing and reading back")
struct CommitTests {
    @Test("Events become durable in the order in which they were submitted", arguments: StoreForm.allCases)
    func order(form: StoreForm) throws {
        try withStore(form) { test in
            let acks = AckRecorder()
            var script = RunScript()
            let first = try script.start(key: "a", observer: acks, token: 1)
            let second = try script.start(key: "b", observer: acks, token: 2)
            let step = StepStarted(step: .new(StepKey(scope: "", id: "pay", occurrence: 0)), attempt: 1)
            let third = try script.command(first.run, [.stepStarted(step)], observer: acks, token: 3)
            try test.commit([first.command, second.command, third])

            #expect(acks.acks.map(\.token) == [1, 2, 3])
            // 1 and 2 are the commit records of creation and of opening.
            #expect(acks.durable == [LSN(3), LSN(4), LSN(5)])
            let events = try test.store.read { try $0.events(after: .zero, limit: 100, includingCommits: true) }
            #expect(events.map(\.lsn) == (1...6).map { LSN(UInt64($0)) })
            #expect(
                events.map(\.event.kind) == [
                    .commitRecord, .commitRecord, .runStarted, .runStarted, .stepStarted, .commitRecord,
                ])
            #expect(events.map(\.previous) == [.zero, LSN(1), .zero, .zero, LSN(3), LSN(2)])
            #expect(try test.store.history(of: first.run).map(\.event) == script.histories[first.run])
        }
    }

    @Test("A random workload reads back as it was made, also after a crash", arguments: StoreForm.allCases)
    func workload(form: StoreForm) throws {
        try withStore(form) { test in
            let acks = AckRecorder()
            var workload = RandomWorkload(seed: 4_711, largePayload: 200_000)
            for round in 0..<120 {
                for _ in 0..<5 { try test.store.submit(try workload.next(observer: acks)) }
                test.store.commitPending()
                test.clock.advance(by: .milliseconds(300))
                if round % 40 == 39 { try test.crash() }
                guard round % 20 == 19 else { continue }
                try expectHolds(test.store, workload.script)
            }
            #expect(acks.errors.isEmpty)
            #expect(acks.acks.count == 600)
            try test.reopen()
            try expectHolds(test.store, workload.script)
        }
    }

    @Test("What was not committed is gone after a crash", arguments: StoreForm.allCases)
    func uncommitted(form: StoreForm) throws {
        try withStore(form) { test in
            var script = RunScript()
            let kept = try script.start()
            try test.commit(kept.command)
            let lost = try script.start()
            try test.store.submit(lost.command)
            try test.crash()
            #expect(try test.store.history(of: kept.run).count == 1)
            #expect(try test.store.history(of: lost.run).isEmpty)
            #expect(try test.store.read { try $0.run(lost.run) } == nil)
        }
    }

    @Test("A barrier is acknowledged once what came before it is durable", arguments: StoreForm.allCases)
    func barrier(form: StoreForm) throws {
        try withStore(form) { test in
            let acks = AckRecorder()
            var script = RunScript()
            let start = try script.start(observer: acks)
            try test.commit([start.command, Command(batch: EventBatch(), observer: acks)])
            #expect(acks.durable == [LSN(3), LSN(3)])
            let before = try test.store.read { try $0.statistics() }
            try test.commit(Command(batch: EventBatch(), observer: acks))
            #expect(acks.durable.last == LSN(4))
            #expect(try test.store.read { try $0.statistics() } == before, "a barrier alone commits nothing")
        }
    }

    @Test("A snapshot keeps a run's head when the run's row is written anew meanwhile", arguments: StoreForm.allCases)
    func rowWrittenMeanwhile(form: StoreForm) throws {
        try withStore(form) { test in
            var script = RunScript()
            let run = try script.start()
            let other = try script.start()
            try test.commit([run.command, other.command])
            let key = StepKey(scope: "", id: "pay", occurrence: 0)
            try test.commit(try script.command(run.run, [.stepStarted(StepStarted(step: .new(key), attempt: 1))]))
            let result = StepSucceeded(step: StepNumber(1), result: .null)
            try test.commit(try script.command(run.run, [.stepSucceeded(result)]))
            let before = try #require(script.histories[run.run])
            try test.store.read { snapshot throws in
                let head = try #require(try snapshot.head(of: run.run))
                #expect(head.sequence == 2)
                // Two commits of the run, the second of which rewrites its row, and one that has nothing to do with it.
                let next = StepKey(scope: "", id: "ship", occurrence: 0)
                try test.commit(try script.command(run.run, [.stepStarted(StepStarted(step: .new(next), attempt: 1))]))
                try test.commit(
                    try script.command(
                        run.run,
                        [
                            .stepSucceeded(StepSucceeded(step: StepNumber(3), result: .null)),
                            .runSucceeded(RunSucceeded(output: .null)),
                        ]))
                try test.commit(try script.start().command)
                #expect(try snapshot.head(of: run.run) == head)
                #expect(try snapshot.head(of: other.run)?.sequence == 0)
                #expect(try snapshot.event(at: head.lsn)?.event == before.last)
            }
            try expectHolds(test.store, script)
        }
    }

    @Test("A writer's thread commits from many threads, each run's events in order", arguments: StoreForm.allCases)
    func thread(form: StoreForm) async throws {
        let test = try TestStore(form, writer: .thread)
        let acks = AckRecorder()
        let store = test.store
        let runs = 16
        let steps = 50
        await withTaskGroup(of: Void.self) { group in
            for number in 1...runs {
                group.addTask {
                    do {
                        var script = RunScript(lastRun: RunNumber(UInt64(number - 1)))
                        let start = try script.start(observer: acks)
                        try store.submit(start.command)
                        for step in 0..<steps {
                            let key = StepKey(scope: "", id: "s\(step)", occurrence: 0)
                            let started = EventBody.stepStarted(StepStarted(step: .new(key), attempt: 1))
                            let number = StepNumber(UInt32(1 + 2 * step))
                            let ended = EventBody.stepSucceeded(StepSucceeded(step: number, result: .null))
                            try store.submit(try script.command(start.run, [started, ended], observer: acks))
                        }
                    } catch {
                        Issue.record(error)
                    }
                }
            }
        }
        acks.wait(for: runs * (steps + 1))
        #expect(acks.errors.isEmpty)
        #expect(acks.durable == acks.durable.sorted(), "observers hear in LSN order")
        for number in 1...runs {
            let history = try store.history(of: RunNumber(UInt64(number)))
            #expect(history.map(\.event.sequence) == (0...UInt32(2 * steps)).map { $0 })
        }
        store.close()
    }
}

/// Each run of the script has its history, its row and its place in the tables, and nothing else is there.
func expectHolds(_ store: EventStore, _ script: RunScript, sourceLocation: SourceLocation = #_sourceLocation) throws {
    for (run, history) in script.histories {
        let stored = try store.history(of: run)
        #expect(stored.map(\.event) == history, "history of run \(run)", sourceLocation: sourceLocation)
    }
    try store.read { snapshot throws in
        let open = script.states.values.filter { !$0.status.isFinal }.map(\.run).sorted()
        #expect(try snapshot.openRuns() == open, sourceLocation: sourceLocation)
        #expect(try snapshot.statistics().runs == script.states.count, sourceLocation: sourceLocation)
        for state in script.states.values {
            var row = RunRow(state)
            let stored = try #require(try snapshot.run(state.run))
            // Only a change of status and the like rewrites a row.
            (row.head, row.headSequence, row.first) = (stored.head, stored.headSequence, stored.first)
            row.updatedAt = stored.updatedAt
            #expect(stored == row, sourceLocation: sourceLocation)
            #expect(try snapshot.run(id: state.start.id)?.number == state.run, sourceLocation: sourceLocation)
            let head = try snapshot.head(of: state.run)
            #expect(head?.sequence == state.nextSequence - 1, sourceLocation: sourceLocation)
            if let key = state.start.key {
                let found = try snapshot.run(workflow: state.start.workflow, key: key)
                #expect(found?.number == state.run, sourceLocation: sourceLocation)
            }
        }
    }
}
