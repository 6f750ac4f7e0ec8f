import StepCore
import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Histories that can't be read", .timeLimit(.minutes(5)))
struct DamagedHistoryTests {
    /// Flips a bit of the run's last record.
    private func damage(_ run: RunNumber, _ engine: TestEngine) async throws {
        let (store, tables) = (engine.log, engine.memory)
        try await offPool {
            let last = try #require(try store.history(of: run).last)
            let key = withUnsafeBytes(of: last.lsn.value.bigEndian) { Array($0) }
            var record: [UInt8] = try #require(try tables.read { try $0.get(.log, key) })
            record[record.count - 1] ^= 1
            let transaction = try tables.beginWrite()
            try transaction.put(.log, key, record)
            try transaction.commit()
        }
    }

    @Test("They concern their runs alone; the engine starts, and children of them go on")
    func concernTheirRunsAlone() async throws {
        let engine = try await TestEngine(.memory)
        var script = RunScript()
        let (parent, start) = try script.start(workflow: "parent", input: Payload(json: "1"))
        let parentID = try #require(script.states[parent]).start.id
        let step = StepNumber(1)
        let link = RunStarted.Parent(id: parentID, run: parent, step: step, detached: false)
        let (child, childStart) = try script.start(workflow: "child", input: Payload(json: "1"), parent: link)
        let childID = try #require(script.states[child]).start.id
        let invoke = InvokeStarted(
            key: StepKey(scope: "", id: "child", occurrence: 0), workflow: "child", child: childID, childRun: child,
            timeoutAt: nil, cancelsOnTimeout: false)
        let rest = try script.command(parent, [.invokeStarted(invoke)])
        for command in [start, childStart, rest] { try engine.log.submit(command) }
        try await engine.until(parentID) { !$0.open.isEmpty }
        try await damage(parent, engine)

        let children = engine.client.workflow("child", input: Int.self) { context, step in
            try await step.waitForSignal("w", signal: "s", as: Int.self) ?? context.input
        }
        _ = engine.client.workflow("parent", input: Int.self) { context, _ in context.input }
        try await engine.run()
        try await engine.untilWaiting(childID, for: "s")
        #expect(try await engine.client.signal("s", 7) == childID)
        #expect(try await children.run(childID).result() == 7)
        await #expect(throws: StoreError.self) { try await engine.client.cancel(parentID) }
        #expect(engine.logs.messages.contains { $0.contains("so its children are not asked") })
        await engine.client.close()
    }

    @Test("When recovery fails, what was begun meanwhile is taken out of memory again")
    func recoveryFails() async throws {
        let engine = try await TestEngine(.memory, writer: .manual)
        let tables = engine.memory
        try await offPool {
            let transaction = try tables.beginWrite()
            try transaction.put(.open, [255], [])
            try transaction.commit()
        }
        let journal = Journal()
        let flow = engine.client.workflow("work", input: Int.self) { _, step in
            do {
                journal.note("begins")
                _ = try await step.waitForSignal("w", signal: "s", as: Int.self)
            } catch {
                journal.note("\(type(of: error))")
                throw error
            }
        }
        let client = engine.client
        // Up to its first wait: from then on it counts as running, and waits for a commit before it recovers.
        let running = Task.immediate { try await client.run() }
        let starting = Task.immediate { try await flow.start(1) }
        try await journal.until("begins")
        let over = Task {
            await #expect(throws: StoreError.self) { try await running.value }
            journal.note("over")
        }
        while journal.count("over") == 0 { await engine.commit() }
        await over.value
        #expect(journal.notes == ["begins", "RunUnwinding", "over"])
        _ = try await starting.value
        await engine.client.close()
    }
}
