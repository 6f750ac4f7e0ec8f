import StepKit
import StepLog
import Testing

@testable import OrderPipeline

@Suite struct OrderDeskTests {
    @Test func whatIsRefusedForNowIsAskedAgain() async throws {
        var refusals: [any Error] = [
            EngineBusy(), StoreError(.storageFull, "no room"), StoreError(.busy, "no room"),
        ]
        var pauses = 0
        let answer = try await insisting(pause: { pauses += 1 }) {
            if let refusal = refusals.popLast() { throw refusal }
            return 7
        }
        #expect(answer == 7)
        #expect(pauses == 3)
    }

    @Test func otherFailuresAreFinal() async {
        await #expect(throws: StoreError.self) {
            try await insisting(pause: { Issue.record("it was asked again") }) {
                throw StoreError(.poisoned, "a bad disk")
            }
        }
    }
}
