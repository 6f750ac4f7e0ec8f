import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Values that can't be stored or read back", .timeLimit(.minutes(5)))
struct EncodingTests {
    @Test("A result that does not encode, or does not decode, fails the step for good", arguments: StoreForm.allCases)
    func encoding(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let flow = engine.client.workflow("encode", input: Int.self) { context, step -> String in
                do {
                    switch context.input {
                    case 0: _ = try await step.run("nan") { journal.counting("0") == 0 ? 0.0 : .nan }
                    case 1: _ = try await step.run("infinite") { journal.counting("1") == 0 ? [0.0] : [.infinity] }
                    default:
                        _ = try await step.run("one way") {
                            journal.note("2")
                            return OneWay()
                        }
                    }
                    return "stored"
                } catch let error as StepError {
                    return error.typeName
                }
            }
            try await engine.run()
            for input in 0..<3 {
                #expect(try await flow.start(input).result() == "StepCore.ResultEncodingError")
                #expect(journal.count("\(input)") == 1)
            }
        }
    }

    @Test("An output that does not encode fails the run", arguments: StoreForm.allCases)
    func output(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.payloadLimit = 100 }) { engine in
            let number = engine.client.workflow("number", input: Int.self) { _, _ in Double.nan }
            let text = engine.client.workflow("text", input: Int.self) { _, _ in String(repeating: "x", count: 100) }
            try await engine.run()
            let first = try await failure(of: try await number.start(1))
            #expect(first?.type == "StepCore.ResultEncodingError")
            let second = try await failure(of: try await text.start(1))
            #expect(second?.type == "StepCore.PayloadTooLarge")
        }
    }

    @Test("A result that is too large fails the step for good", arguments: StoreForm.allCases)
    func large(form: StoreForm) async throws {
        try await withEngine(form, configure: { $0.payloadLimit = 1_000 }) { engine in
            let journal = Journal()
            let flow = engine.client.workflow("large", input: Int.self) { context, step -> String in
                do {
                    return try await step.run("make") {
                        journal.note("make")
                        return String(repeating: "x", count: context.input)
                    }
                } catch let error as StepError {
                    return error.typeName
                }
            }
            try await engine.run()
            #expect(try await flow.start(998).result().count == 998)
            #expect(try await flow.start(999).result() == "StepCore.PayloadTooLarge")
            #expect(journal.notes.count == 2)
        }
    }

    @Test("Large payloads survive", arguments: StoreForm.allCases)
    func chunks(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            func register() -> Workflow<String, Int> {
                engine.client.workflow("big", input: String.self) { context, step in
                    let twice = try await step.run("double") { context.input + context.input }
                    try await step.sleep("nap", for: .seconds(1))
                    return twice.utf8.count
                }
            }
            let flow = register()
            try await engine.run()
            let run = try await flow.start(String(repeating: "abcdefgh", count: 40_000))
            try await engine.untilSleeping(run.id)
            try await engine.kill(downtime: .seconds(2))
            let again = register()
            try await engine.run()
            #expect(try await again.run(run.id).result() == 640_000)
        }
    }

    @Test("A stored value that no longer decodes holds the run; fixed code goes on", arguments: StoreForm.allCases)
    func held(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let first = engine.client.workflow("change", input: Int.self) { _, step in
                try await step.run("make") {}
                let value = try await step.run("make") { "text" }
                try await step.sleep("nap", for: .seconds(10))
                return value
            }
            try await engine.run()
            let run = try await first.start(1)
            try await engine.untilSleeping(run.id)
            try await engine.restart()
            let broken = engine.client.workflow("change", input: Int.self) { _, step in
                try await step.run("make") {}
                let value = try await step.run("make") { journal.counting("made anew") }
                try await step.sleep("nap", for: .seconds(10))
                return value
            }
            try await engine.run()
            try await engine.until(run.id, "held") { $0.status == .held }
            let held = try await engine.state(of: run.id)
            #expect(held?.failure?.type == "StepCore.ResultDecodingError")
            for part in ["step make:1 of", "a string, does not decode as Swift.Int"] {
                #expect(held?.failure?.message.contains(part) == true, "\(part)")
            }
            #expect(held?.attempt == 1)
            #expect(try await broken.run(run.id).status() == .held)
            try await engine.restart(downtime: .seconds(20))
            let fixed = engine.client.workflow("change", input: Int.self) { _, step in
                try await step.run("make") {}
                let value = try await step.run("make") { "new" }
                try await step.sleep("nap", for: .seconds(10))
                return value
            }
            try await engine.run()
            #expect(try await fixed.run(run.id).result() == "text")
            #expect(journal.notes.isEmpty)
        }
    }
}
