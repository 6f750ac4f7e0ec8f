import StepAudit
import StepEvents
import StepLog
import TestSupport
import Testing

@Suite("Reading a store")
struct StoreReaderTests {
    /// A store in memory with runs that have been through a random workload.
    private func withWorkload(
        _ count: Int = 1_500, seed: UInt64 = 42, largePayload: Int? = nil,
        _ body: (StoreReader, RunScript, EventStore) async throws -> Void
    ) async throws {
        let test = try TestStore(.memory)
        defer { test.store.close() }
        var workload = RandomWorkload(seed: seed, largePayload: largePayload)
        for _ in 0..<count / 5 {
            for _ in 0..<5 { try test.store.submit(try workload.next()) }
            test.store.commitPending()
            test.clock.advance(by: .milliseconds(200))
        }
        try await body(StoreReader(test.store), workload.script, test.store)
    }

    /// The key and attempt of each event's step, folded from the history by the plainest means.
    private func steps(_ history: [Event]) -> [String] {
        var keys: [UInt32: StepKey] = [:]
        var attempts: [UInt32: UInt32] = [:]
        return history.map { event in
            let number: UInt32?
            switch event.body {
            case .stepStarted(let body):
                switch body.step {
                case .new(let key):
                    keys[event.sequence] = key
                    number = event.sequence
                case .again(let step): number = step.sequence
                }
                if let number { attempts[number] = body.attempt }
            case .slept(let body): (number, keys[event.sequence]) = (event.sequence, body.key)
            case .waitStarted(let body): (number, keys[event.sequence]) = (event.sequence, body.key)
            case .signalSent(let body): (number, keys[event.sequence]) = (event.sequence, body.key)
            case .invokeStarted(let body): (number, keys[event.sequence]) = (event.sequence, body.key)
            case .stepSucceeded(let body): number = body.step.sequence
            case .stepFailed(let body): number = body.step.sequence
            case .stepInterrupted(let body): number = body.step.sequence
            case .stepHeartbeat(let body): number = body.step.sequence
            case .stepCancelled(let body): number = body.step.sequence
            case .woke(let body): number = body.step.sequence
            case .waitResolved(let body): number = body.step.sequence
            case .waitTimedOut(let body): number = body.step.sequence
            case .waitCancelled(let body): number = body.step.sequence
            case .signalRejected(let body): number = body.step.sequence
            case .signalDelivered(let body): number = body.step.sequence
            case .signalQueued(let body): number = body.step.sequence
            case .invokeFinished(let body): number = body.step.sequence
            default: number = nil
            }
            guard let number else { return "-" }
            return "\(keys[number]?.description ?? "?") \(attempts[number].map { "\($0)" } ?? "-")"
        }
    }

    private func step(_ event: RecordedEvent) -> String {
        event.step.map { "\($0) \(event.attempt.map { "\($0)" } ?? "-")" } ?? "-"
    }

    @Test("Events of a random workload name their runs and steps", arguments: [1, 42, 4_711])
    func events(seed: UInt64) async throws {
        try await withWorkload(seed: seed) { reader, script, _ in
            var all: [RecordedEvent] = []
            for try await event in reader.events() { all.append(event) }
            #expect(all.count > 1_500)
            #expect(all.map(\.lsn) == all.map(\.lsn).sorted())
            for (number, history) in script.histories {
                let id = try #require(script.states[number]?.start.id)
                let events = all.filter { $0.run == id }
                #expect(events.map(\.sequence) == history.map(\.sequence))
                #expect(events.map(step) == steps(history), "run \(number), seed \(seed)")
                #expect(events.map(\.kind) == history.map(\.kind.name))
                #expect(events.allSatisfy { $0.workflow == script.states[number]?.start.workflow })
            }
            #expect(all.filter { $0.run == nil }.count == script.storeEvents.count)
        }
    }

    @Test("A reader that begins anywhere sees the same", arguments: [7, 8])
    func anywhere(seed: UInt64) async throws {
        try await withWorkload(800, seed: seed) { reader, _, _ in
            var cursor = reader.events(includingCommits: true).makeCursor()
            var all: [RecordedEvent] = []
            while true {
                let slice = try cursor.nextSlice()
                if slice.isEmpty { break }
                all += slice
            }
            #expect(cursor.position == all.last?.lsn)
            for start in stride(from: 0, to: all.count, by: 37) {
                var late = reader.events(after: LSN(UInt64(start)), includingCommits: true).makeCursor()
                #expect(try late.nextSlice() == Array(all.dropFirst(start).prefix(1_000)), "after \(start)")
            }
        }
    }

    @Test("A run's history is its part of the log")
    func histories() async throws {
        try await withWorkload(300, largePayload: 70_000) { reader, script, _ in
            var all: [RunID: [RecordedEvent]] = [:]
            for try await event in reader.events() {
                if let run = event.run { all[run, default: []].append(event) }
            }
            #expect(all.count == script.histories.count)
            for (run, expected) in all {
                var events: [RecordedEvent] = []
                for try await event in reader.history(of: run) { events.append(event) }
                #expect(events == expected)
            }
        }
    }

    @Test("Runs agree with their states; by id, by key")
    func runs() async throws {
        try await withWorkload { reader, script, _ in
            var runs: [RecordedRun] = []
            for try await run in reader.runs() { runs.append(run) }
            #expect(runs.count == script.states.count)
            let states = script.states.values.sorted { $0.run > $1.run }
            #expect(runs.map(\.run) == states.map(\.start.id))
            #expect(runs.map(\.status) == states.map(\.status))
            #expect(runs.map(\.attempt) == states.map(\.attempt))
            for run in runs.prefix(20) {
                #expect(try await reader.run(matching: run.run.description) == run)
            }
            for status in RunStatus.allCases {
                var found = 0
                for try await run in reader.runs(where: RunFilter(status: status)) {
                    #expect(run.status == status)
                    found += 1
                }
                #expect(found == states.count { $0.status == status })
            }
            let counts = try await reader.statistics()
            #expect(counts.runs == states.count)
            #expect(counts.open == states.count { !$0.status.isFinal })
            #expect(try await reader.verify().isSound)
        }
    }

    @Test("Keys are found whatever their workflow's name is like, and not mixed up")
    func keys() throws {
        let test = try TestStore(.lmdb)
        defer { test.store.close() }
        var script = RunScript()
        let long = String(repeating: "w", count: 400)
        let workflows = ["a", "aa", "b", "\u{10FFFF}", "z", "Ω", long + "1", long + "2"]
        var ids: [String: RunID] = [:]
        for workflow in workflows {
            for key in ["one", "only-\(workflow)"] {
                let (run, command) = try script.start(workflow: workflow, key: key)
                try test.commit(command)
                ids["\(workflow) \(key)"] = script.states[run]?.start.id
            }
        }
        let reader = StoreReader(test.store)
        for workflow in workflows {
            let found = try reader.run(matching: "only-\(workflow)")
            #expect(found.run == ids["\(workflow) only-\(workflow)"])
        }
        let error = #expect(throws: RunLookupError.self) { try reader.run(matching: "one") }
        #expect(error?.code == .ambiguous)
        #expect(Set(error?.candidates.map(\.workflow) ?? []) == Set(workflows))
        #expect(throws: RunLookupError.self) { try reader.run(matching: "two") }
        #expect(throws: RunLookupError.self) { try reader.run(matching: "") }
    }

    @Test("However large the payloads are, a slice is bounded")
    func largePayloads() throws {
        let test = try TestStore(.memory)
        defer { test.store.close() }
        var script = RunScript()
        let large = Payload([UInt8](repeating: UInt8(ascii: " "), count: 1 << 20))
        let (run, command) = try script.start(input: large)
        try test.commit(command)
        for number in 0..<20 {
            let key = StepKey(scope: "", id: "s\(number)", occurrence: 0)
            let step = StepNumber(UInt32(2 * number + 1))
            try test.commit(
                try script.command(
                    run,
                    [
                        .stepStarted(StepStarted(step: .new(key), attempt: 1)),
                        .stepSucceeded(StepSucceeded(step: step, result: large)),
                    ]))
        }
        let id = try #require(script.states[run]?.start.id)
        let reader = StoreReader(test.store)
        try expectBounded(reader.events().makeCursor())
        try expectBounded(reader.history(of: id).makeCursor())
    }

    private func expectBounded(_ start: some BlockingCursor<RecordedEvent>) throws {
        var cursor = start
        var bytes: [Int] = []
        while true {
            let slice = try cursor.nextSlice()
            if slice.isEmpty { break }
            bytes.append(slice.reduce(0) { $0 + ($1.data?.count ?? 0) })
        }
        #expect(bytes.reduce(0, +) == 21 << 20)
        // The bound, and the payload that went beyond it.
        #expect(bytes.allSatisfy { $0 <= 9 << 20 }, "\(bytes)")
    }

    @Test("A cursor at the end goes on with what is written later")
    func tail() throws {
        let test = try TestStore(.lmdb)
        defer { test.store.close() }
        var script = RunScript()
        let reader = StoreReader(test.store)
        var cursor = reader.events().makeCursor()
        #expect(try cursor.nextSlice() == [])
        let (run, command) = try script.start(key: "a")
        try test.commit(command)
        #expect(try cursor.nextSlice().map(\.kind) == ["runStarted"])
        #expect(try cursor.nextSlice() == [])
        let step = StepStarted(step: .new(StepKey(scope: "", id: "pay", occurrence: 0)), attempt: 1)
        try test.commit(try script.command(run, [.stepStarted(step)]))
        try test.commit(
            try script.command(run, [.stepSucceeded(StepSucceeded(step: StepNumber(1), result: .null))]))
        #expect(try cursor.nextSlice().map(\.step?.id) == ["pay", "pay"])
    }

    @Test("An iteration that is cancelled ends")
    func cancellation() async throws {
        try await withWorkload(100) { reader, _, _ in
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                for try await _ in reader.events() { Issue.record("an event came to a cancelled task") }
            }
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }

    @Test("A run that does not exist")
    func noSuchRun() async throws {
        try await withWorkload(10) { reader, _, _ in
            await #expect(throws: RunLookupError.self) {
                for try await _ in reader.history(of: RunID(high: 1, low: 2)) {}
            }
        }
    }
}
