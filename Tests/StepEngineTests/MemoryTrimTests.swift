import StepEvents
import StepKit
import TestSupport
import Testing

@testable import StepEngine

@Suite("Memory goes back to the system when many runs were parked", .timeLimit(.minutes(5)))
struct MemoryTrimTests {
    @Test("After each thousand, at most once in ten seconds, and late rather than not at all")
    func decision() {
        let second: UInt64 = 1_000_000_000
        var trim = MemoryTrim()
        for _ in 0..<999 { #expect(trim.runLeft(at: second) == nil) }
        #expect(trim.runLeft(at: second) == .zero)
        #expect(trim.runLeft(at: second) == nil, "it is about to happen")
        trim.begins(at: second)
        for _ in 0..<999 { #expect(trim.runLeft(at: 2 * second) == nil) }
        #expect(trim.runLeft(at: 4 * second) == .seconds(7))
        for _ in 0..<5_000 { #expect(trim.runLeft(at: 5 * second) == nil) }
        trim.begins(at: 11 * second)
        #expect(trim.runLeft(at: 50 * second) == nil, "one alone is not enough")
        for _ in 0..<998 { _ = trim.runLeft(at: 50 * second) }
        #expect(trim.runLeft(at: 50 * second) == .zero)
    }

    @Test("The C library can")
    func system() {
        #if canImport(Glibc)
            #expect(SystemMemory.canTrim)
        #endif
        SystemMemory.trim()
    }

    @Test("The engine does it on a thread of its own", arguments: StoreForm.allCases)
    func engine(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.parkAfter = .seconds(2) }) { engine in
            let flow = engine.client.workflow("wait", input: Int.self) { _, step in
                _ = try await step.waitForSignal("w", signal: "never", as: Int.self)
            }
            try await engine.run()
            /// Starts so many and lets them leave.
            func park(_ count: Int, total: Int) async throws {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 0..<count { group.addTask { _ = try await flow.start(number) } }
                    try await group.waitForAll()
                }
                await engine.untilWaiting(runs: count)
                try await engine.clock.untilAlarm(within: .seconds(2))
                engine.clock.advance(by: .seconds(2))
                await engine.untilParked(runs: total)
            }
            try await park(999, total: 999)
            #expect(engine.trims.notes == [])
            try await park(1, total: 1_000)
            try await engine.trims.until("trimmed")
            try await park(1_000, total: 2_000)
            try await engine.clock.untilAlarm(within: .seconds(10))
            #expect(engine.trims.notes == ["trimmed"])
            engine.clock.advance(by: .seconds(10))
            try await engine.trims.until("trimmed", count: 2)
            #expect(engine.inner?.counts.memoryTrims == 2)
        }
    }
}
