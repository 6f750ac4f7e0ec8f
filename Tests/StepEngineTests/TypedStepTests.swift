import StepKit
import StepLog
import TestSupport
import Testing

@Suite("What the compiler infers", .timeLimit(.minutes(5)))
struct TypedStepTests {
    struct Order: Codable, Sendable, Hashable {
        var id: String
        var lines: [Int: String]
    }

    enum Verdict: Codable, Sendable, Hashable {
        case approved(by: String)
        case refused
    }

    @Test("Values, Void, closures that return nil, enum cases and optionals", arguments: StoreForm.allCases)
    func inference(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("types", input: Order.self) { context, step in
                let order = try await step.run("value") { context.input }
                try await step.run("nothing") {}
                try await step.run("nothing with a context") { _ in }
                let none = try await step.run("nil", output: String?.self) { nil }
                let some = try await step.run("some", output: String?.self) { "some" }
                let verdict = try await step.run("case", output: Verdict.self) { .approved(by: "me") }
                let attempt = try await step.run("attempt") { step in step.attempt }
                let text: String = try await step.run("annotated") { "text" }
                return [
                    "\(order == context.input)", none ?? "none", some ?? "none", "\(verdict == .approved(by: "me"))",
                    "\(attempt)", text,
                ]
            }
            try await engine.run()
            let run = try await flow.start(Order(id: "1", lines: [1: "a", 2: "b"]))
            #expect(try await run.result() == ["true", "none", "some", "true", "1", "text"])
        }
    }

    @Test("Workflows that return nothing", arguments: StoreForm.allCases)
    func nothing(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let flow = engine.client.workflow("void", input: Int.self) { _, step in
                try await step.run("work") { journal.note("work") }
            }
            try await engine.run()
            let run: Run<NoOutput> = try await flow.start(1)
            #expect(try await run.result() == NoOutput())
            #expect(journal.notes == ["work"])
        }
    }

    @Test(
        "The function sees what decoding the stored bytes gives, at first as on replay", arguments: StoreForm.allCases)
    func decoded(form: StoreForm) async throws {
        /// Loses its memo when it is stored.
        struct Forgetful: Codable, Sendable {
            var kept: Int
            var memo = "none"
            enum CodingKeys: CodingKey { case kept }
        }
        try await withEngine(form) { engine in
            func register() -> Workflow<Forgetful, [String]> {
                engine.client.workflow("forget", input: Forgetful.self) { context, step in
                    let value = try await step.run("make") { Forgetful(kept: 1, memo: "made") }
                    try await step.sleep("nap", for: .seconds(10))
                    return [context.input.memo, value.memo]
                }
            }
            let flow = register()
            try await engine.run()
            let run = try await flow.start(Forgetful(kept: 1, memo: "given"))
            let other = try await flow.start(Forgetful(kept: 1, memo: "given"))
            try await engine.passTime(until: run.id)
            #expect(try await run.result() == ["none", "none"])
            #expect(try await other.result() == ["none", "none"])
            let replayed = try await flow.start(Forgetful(kept: 1, memo: "given"))
            try await engine.untilSleeping(replayed.id)
            try await engine.kill(downtime: .seconds(60))
            let again = register()
            try await engine.run()
            try await engine.until(replayed.id) { $0.status.isFinal }
            #expect(try await again.run(replayed.id).result() == ["none", "none"])
        }
    }

    @Test("Extreme values come back as they were", arguments: StoreForm.allCases)
    func extremes(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let texts = ["", "\"quoted\\\"", "line\nfeed\0nul", "🧑‍🚀é", String(repeating: "x", count: 200_000)]
            let flow = engine.client.workflow("extremes", input: [String].self) { context, step in
                var back: [String] = []
                for text in context.input { back.append(try await step.run("text") { text }) }
                let numbers = try await step.run("numbers") { [Int.min, -1, 0, Int.max] }
                let small = try await step.run("number") { Int.min }
                let unsigned = try await step.run("unsigned") { UInt64.max }
                let fraction = try await step.run("fraction") { 0.1 + 0.2 }
                let isRight = numbers == [Int.min, -1, 0, Int.max] && small == Int.min && unsigned == UInt64.max
                return isRight && fraction == 0.1 + 0.2 && back == context.input
            }
            try await engine.run()
            let run = try await flow.start(texts)
            #expect(try await run.result())
        }
    }
}
