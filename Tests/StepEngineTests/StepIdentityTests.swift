import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@Suite("Which call is which step", .timeLimit(.minutes(5)))
struct StepIdentityTests {
    @Test("An id asked for again is another step, in order, also on replay", arguments: StoreForm.allCases)
    func loop(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            func register() -> Workflow<Int, [Int]> {
                engine.client.workflow("loop", input: Int.self) { _, step in
                    var results: [Int] = []
                    for round in 0..<3 {
                        results.append(
                            try await step.run("work") { context in
                                journal.note("\(round)")
                                return context.occurrence * 10
                            })
                    }
                    try await step.sleep("nap", for: .seconds(5))
                    results.append(try await step.run("work") { $0.occurrence * 10 })
                    return results
                }
            }
            let flow = register()
            try await engine.run()
            let run = try await flow.start(1)
            try await engine.untilSleeping(run.id)
            try await engine.kill(downtime: .seconds(10))
            let again = register()
            try await engine.run()
            #expect(try await again.run(run.id).result() == [0, 10, 20, 30])
            #expect(journal.notes == ["0", "1", "2"])
        }
    }

    @Test("Ids of any text up to 512 bytes", arguments: StoreForm.allCases)
    func ids(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let long = String(repeating: "é", count: 256)
            let ids = ["../../x", "a/b", "a:1", "%2F", "шаг 🪜", " ", "\0", long]
            let flow = engine.client.workflow("ids", input: [String].self) { context, step -> [String] in
                var back: [String] = []
                for id in context.input { back.append(try await step.run(id) { $0.stepID }) }
                for id in ["", long + "x"] {
                    do { try await step.run(id) {} } catch is InvalidStepID { back.append("refused") }
                }
                for id in context.input {
                    back.append(try await step.group(id) { try await $0.run(id) { $0.stepID } })
                }
                return back
            }
            try await engine.run()
            let run = try await flow.start(ids)
            #expect(try await run.result() == ids + ["refused", "refused"] + ids)
        }
    }

    @Test("An id asked for twice at once is ambiguous", arguments: StoreForm.allCases)
    func ambiguous(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let gate = Gate()
            let flow = engine.client.workflow("twice", input: Int.self) { _, step -> String in
                async let first: Int = step.run("same") {
                    await gate.pass()
                    return 1
                }
                do {
                    try await withThrowingTaskGroup(of: Int.self) { group in
                        // The run's executor takes jobs in order, so the first has asked when these do.
                        group.addTask { try await step.run("same") { 2 } }
                        _ = try await group.next()
                    }
                    _ = try await first
                    return "not refused"
                } catch let error as AmbiguousStepError {
                    gate.open()
                    return
                        "\(error.id) \(try await first) \(error.first != error.second) \(error.first.contains("Identity"))"
                }
            }
            try await engine.run()
            #expect(try await flow.start(1).result() == "same 1 true true")
        }
    }

    @Test("By order, if the workflow wants that", arguments: StoreForm.allCases)
    func byOrder(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let options = WorkflowOptions(duplicates: .byOrder)
            let flow = engine.client.workflow("twice", input: Int.self, options: options) { _, step in
                async let first = step.run("same") { $0.occurrence }
                async let second = step.run("same") { $0.occurrence }
                return try await [first, second]
            }
            try await engine.run()
            #expect(try await flow.start(1).result().sorted() == [0, 1])
        }
    }

    @Test("Groups give each branch a scope of its own", arguments: StoreForm.allCases)
    func groups(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let flow = engine.client.workflow("groups", input: Int.self) { context, step in
                try await withThrowingTaskGroup(of: [String].self) { group in
                    for item in 0..<context.input {
                        group.addTask {
                            try await step.group("item \(item)") { step in
                                let scope = try await step.run("work") { $0.scope }
                                let inner = try await step.group("a/b") { try await $0.run("work") { $0.scope } }
                                let again = try await step.group("a/b") { try await $0.run("work") { $0.scope } }
                                return [scope, inner, again]
                            }
                        }
                    }
                    return try await group.reduce(into: Set<String>()) { $0.formUnion($1) }
                }
            }
            try await engine.run()
            let scopes = try await flow.start(5).result()
            #expect(scopes.count == 15, "no two scopes are the same")
        }
    }

    @Test("Groups nest 64 deep and no deeper, one name is open once", arguments: StoreForm.allCases)
    func depth(form: StoreForm) async throws {
        @Sendable func nested(_ step: Step, _ depth: Int) async throws -> Int {
            try await step.group("g") { inner in
                do { return try await nested(inner, depth + 1) } catch is InvalidStepID { return depth }
            }
        }
        try await withEngine(form) { engine in
            let deep = engine.client.workflow("deep", input: Int.self) { _, step in try await nested(step, 1) }
            let twice = engine.client.workflow("twice", input: Int.self) { _, step -> String in
                try await step.group("g") { _ in
                    do { return try await step.group("g") { _ in "not refused" } } catch is AmbiguousStepError {
                        return "refused"
                    }
                }
            }
            try await engine.run()
            let depth = try await deep.start(1).result()
            #expect(depth == 64)
            #expect(try await twice.start(1).result() == "refused")
        }
    }

    @Test(
        "A step inside a body fails the outer step, even where the body swallows the error",
        arguments: StoreForm.allCases)
    func nested(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let flow = engine.client.workflow("nested", input: Int.self) { context, step -> String in
                do {
                    try await step.run("outer") {
                        journal.note("outer")
                        switch context.input {
                        case 0: try await step.run("inner") { journal.note("inner") }
                        case 1: try? await step.sleep("inner", for: .seconds(1))
                        case 2: _ = try? await step.group("inner") { _ in 1 }
                        default: _ = try? await step.waitForSignal("inner", signal: "s", as: Int.self)
                        }
                    }
                    return "not refused"
                } catch let error as StepError {
                    return error.typeName + " " + error.message
                }
            }
            try await engine.run()
            for input in 0..<4 {
                let result = try await flow.start(input).result()
                #expect(result.hasPrefix("StepCore.NestedStepError"))
                #expect(result.contains("\"inner\"") && result.contains("\"outer\""))
            }
            #expect(journal.notes == ["outer", "outer", "outer", "outer"])
        }
    }

    @Test("A step used after the function returned is refused", arguments: StoreForm.allCases)
    func leaked(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let gate = Gate()
            let journal = Journal()
            let flow = engine.client.workflow("leak", input: Int.self) { _, step in
                Task {
                    await gate.pass()
                    do { try await step.run("late") {} } catch let error as StepOutsideRunError {
                        journal.note("refused \(error.step)")
                    }
                }
                return try await step.run("work") { 1 }
            }
            try await engine.run()
            #expect(try await flow.start(1).result() == 1)
            gate.open()
            try await journal.until("refused late")
        }
    }

    @Test("A task left behind gets its pending step refused, and the run ends", arguments: StoreForm.allCases)
    func leftBehind(form: StoreForm) async throws {
        try await withEngine(form) { engine in
            let journal = Journal()
            let gate = Gate()
            let flow = engine.client.workflow("leak", input: Int.self) { _, step in
                Task {
                    do { try await step.run("long") { try await gate.passOrCancel() } } catch is StepOutsideRunError {
                        journal.note("refused")
                    }
                }
                try await gate.reached()
                return 1
            }
            try await engine.run()
            let run = try await flow.start(1)
            #expect(try await run.result() == 1)
            try await journal.until("refused")
            #expect(try await engine.state(of: run.id)?.open.isEmpty == true)
        }
    }
}
