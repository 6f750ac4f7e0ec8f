import Foundation
import Logging
import StepCore
import StepEvents
import StepReplay
import TestSupport
import Testing

/// The serial executor and the mailbox: what a workflow function sees, live and on replay.
@Suite struct InstanceTests {
    static func start(input: String = "1", seed: UInt64 = 11) -> [Event] {
        HistoryBuilder(input: Payload(json: input), seed: seed).events
    }

    /// Lets everything happen that can, the first possible choice first.
    static func drive(_ host: ModelHost) {
        while host.ends.isEmpty, let choice = host.choices.first {
            host.happen(choice)
            host.settle()
        }
    }

    /// Executes a function to its end, and then replays its whole history but the end.
    static func liveAndReplayed(
        _ body: @escaping @Sendable (WorkflowContext<Int>, Step, ModelBox) async throws -> String
    ) throws -> (live: [MachineEnd], replayed: [MachineEnd], added: [EventKind], reports: [MachineReport]) {
        let live = ModelBox()
        let host = ModelHost(flow { try await body($0, $1, live) }, log: start())
        live.host = host
        try host.begin()
        drive(host)
        host.finish()
        let replay = ModelBox()
        let history = Array(host.log.dropLast())
        let second = ModelHost(flow { try await body($0, $1, replay) }, log: history)
        replay.host = second
        try second.begin()
        second.finish()
        #expect(second.bodiesBegun.isEmpty)
        return (host.ends, second.ends, second.log.dropFirst(history.count).map(\.kind), second.reports)
    }

    // MARK: Races

    /// Branches of one race: each tells whether it got its result or was cancelled.
    private static func race(_ branches: Int, _ box: ModelBox) -> WorkflowDefinition {
        flow { _, step in
            await withTaskGroup(of: String.self) { group in
                for branch in 0..<branches {
                    group.addTask {
                        do {
                            return try await step.run("b\(branch)") { context in
                                await box.host?.gate(context)
                                return "\(branch)"
                            }
                        } catch { return "-" }
                    }
                }
                var order = ""
                for await result in group {
                    order += result
                    group.cancelAll()
                }
                return order
            }
        }
    }

    /// Two completions in one commit and a `cancelAll` after the first must be decided alike, however often.
    @Test func racesAreDecidedAlikeLiveAndOnReplay() throws {
        var generator = SeededGenerator(seed: TestSeed.value)
        for trial in 0..<1_000 {
            let branches = 2 + generator.below(3)
            let box = ModelBox()
            let host = ModelHost(Self.race(branches, box), log: Self.start())
            box.host = host
            try host.begin()
            var choices = host.choices.shuffled(using: &generator)
            #expect(choices.count == branches)
            // Some branches end within one turn, all before the function hears of any.
            let together = 1 + generator.below(branches)
            for choice in choices.prefix(together) { host.happen(choice) }
            choices.removeFirst(together)
            host.settle()
            host.finish()
            guard case .succeeded(let live)? = host.ends.last else {
                Issue.record("\(host.ends): \(TestSeed.command("racesAreDecidedAlike"))")
                return
            }
            for _ in 0..<2 {
                let history = Array(host.log.dropLast())
                let again = ModelHost(Self.race(branches, box), log: history)
                box.host = again
                try again.begin()
                let alike = again.ends == [.succeeded(live)] && again.bodiesBegun.isEmpty && again.reports.isEmpty
                #expect(
                    alike, "trial \(trial): \(again.ends), not \(live): \(TestSeed.command("racesAreDecidedAlike"))")
                again.finish()
                if !alike { return }
            }
        }
    }

    @Test func outcomesThatWereAcceptedBeforeTheCancellationStand() throws {
        let box = ModelBox()
        let host = ModelHost(Self.race(3, box), log: Self.start())
        box.host = host
        try host.begin()
        host.happen(.body(HistoryBuilder.key("b2"), attempt: 1))
        host.happen(.body(HistoryBuilder.key("b0"), attempt: 1))
        host.settle()
        #expect(host.ends == [.succeeded(Payload(json: #""20-""#))])
        host.finish()
        #expect(host.log.map(\.kind).suffix(2) == [.stepCancelled, .runSucceeded])
    }

    @Test func concurrentBindingsAreReplayed() throws {
        let (live, replayed, added, reports) = try Self.liveAndReplayed { _, step, box in
            async let left = step.run("left") { (context) in
                await box.host?.gate(context)
                return "l"
            }
            async let right = step.run("right") { (context) in
                await box.host?.gate(context)
                return "r"
            }
            try await step.sleep("nap", for: .seconds(1))
            return try await left + right
        }
        #expect(live == [.succeeded(Payload(json: #""lr""#))] && live == replayed)
        #expect(added == [.runSucceeded] && reports.isEmpty)
    }

    // MARK: Groups

    @Test func groupsOfOneNameHaveScopesOfTheirOwn() throws {
        let (live, replayed, _, _) = try Self.liveAndReplayed { _, step, _ in
            var scopes: [String] = []
            for _ in 0..<2 {
                try await step.group("a/b") { step in
                    scopes.append(step.scope)
                    try await step.group("in") { scopes.append($0.scope) }
                }
            }
            return scopes.joined(separator: " ")
        }
        #expect(live == [.succeeded(Payload(json: #""a%2Fb a%2Fb/in a%2Fb:1 a%2Fb:1/in""#))] && live == replayed)
    }

    @Test func aGroupThatIsOpenAlreadyIsRefused() throws {
        let host = ModelHost(
            flow { _, step in
                try await step.group("g") { _ in
                    do {
                        try await step.group("g") { _ in }
                        return "opened"
                    } catch is AmbiguousStepError { return "refused" }
                }
            }, log: Self.start())
        try host.begin()
        #expect(host.ends == [.succeeded(Payload(json: #""refused""#))])
        host.finish()
    }

    // MARK: The context

    @Test func timeAndRandomnessAreTheSameOnReplay() throws {
        let (live, replayed, added, _) = try Self.liveAndReplayed { context, step, _ in
            var random = context.random
            var text = "\(context.now) \(random.next()) \(context.uuid())"
            try await step.sleep("nap", for: .seconds(10))
            text += " \(context.now) \(random.next())"
            try await step.group("g") { step in
                var own = step.random
                text += " \(own.next())"
                try await step.sleep("nap", for: .seconds(5))
            }
            return text + " \(context.now) \(random.next())"
        }
        #expect(live.count == 1 && live == replayed && added == [.runSucceeded])
        guard case .succeeded(let output)? = live.first else { return }
        let words = "\(output)".dropFirst().dropLast().split(separator: " ")
        #expect(words.first.map(String.init) == HistoryBuilder.beginning.description)
        #expect(Set(words).count == words.count)
        #expect(words.contains { $0 == HistoryBuilder.second(10).description })
        #expect(words.contains { $0 == HistoryBuilder.second(15).description })
        #expect(UUID(uuidString: String(words[2])) != nil)
    }

    @Test func anotherRunDrawsOtherNumbers() throws {
        func draw(_ seed: UInt64) throws -> [MachineEnd] {
            let host = ModelHost(flow { context, _ in "\(context.uuid())" }, log: Self.start(seed: seed))
            try host.begin()
            host.finish()
            return host.ends
        }
        #expect(try draw(1) == draw(1))
        #expect(try draw(1) != draw(2))
    }

    @Test func theLoggerIsSilentWhileTheRunIsReplayed() throws {
        let recorder = LogRecorder()
        let definition = flow { context, step in
            context.logger.info("begin")
            try await step.sleep("one", for: .seconds(1))
            context.logger.info("one")
            try await step.sleep("two", for: .seconds(1))
            context.logger.info("two")
            return 0
        }
        let live = ModelHost(definition, log: Self.start(), logger: recorder.logger)
        try live.begin()
        Self.drive(live)
        live.finish()
        #expect(recorder.messages == ["begin", "one", "two"])
        // Cut after the first sleep: what follows it may have been logged or not, what precedes it was.
        let replay = ModelHost(definition, log: Array(live.log.prefix(3)), logger: recorder.logger)
        try replay.begin()
        Self.drive(replay)
        replay.finish()
        #expect(recorder.messages.dropFirst(3) == ["one", "two"])
    }

    // MARK: Durability

    @Test func durableWaitsForTheCommit() throws {
        let host = ModelHost(
            flow { context, step in
                try await step.sleep("nap", for: .zero)
                try await context.durable()
                return 1
            }, log: Self.start())
        host.commitsAtOnce = false
        try host.begin()
        #expect(host.ends.isEmpty && host.choices == [.commit])
        host.happen(.commit)
        host.settle()
        #expect(host.ends == [.succeeded(Payload(json: "1"))])
        host.finish()
    }

    @Test func durableReturnsAtOnceWhereAllIsDurable() throws {
        let host = ModelHost(
            flow { context, _ in
                try await context.durable()
                return 1
            }, log: Self.start())
        host.commitsAtOnce = false
        try host.begin()
        #expect(host.ends == [.succeeded(Payload(json: "1"))])
        host.finish()
    }

    @Test func aFunctionThatWaitsForDurabilityAloneIsUnwound() throws {
        let host = ModelHost(
            flow { context, step in
                try await step.sleep("nap", for: .zero)
                try await context.durable()
                return 1
            }, log: Self.start())
        host.commitsAtOnce = false
        try host.begin()
        host.post(.unwind(interrupting: false))
        #expect(host.ends == [.unwound])
        host.finish()
    }

    @Test func aBodyBeginsWhenItsStartIsDurable() throws {
        let box = ModelBox()
        let host = ModelHost(
            flow { _, step in
                try await step.run("a") { context in
                    await box.host?.gate(context)
                    return 1
                }
            }, log: Self.start())
        box.host = host
        host.commitsAtOnce = false
        try host.begin()
        #expect(host.choices == [.commit] && host.bodiesBegun.isEmpty)
        host.happen(.commit)
        host.settle()
        #expect(host.choices == [.body(HistoryBuilder.key("a"), attempt: 1)])
        host.finish()
    }

    @Test func anOutcomeAndTheNextStartShareACommit() throws {
        let box = ModelBox()
        let host = ModelHost(
            flow { _, step in
                for _ in 0..<3 { try await step.run("a") { context in await box.host?.gate(context) } }
                return 0
            }, log: Self.start())
        box.host = host
        try host.begin()
        Self.drive(host)
        // The first start, two outcomes with the next start, the last outcome with the end.
        #expect(host.commits == 4)
        host.finish()
    }
}

/// Where bodies find the host of the execution that they belong to.
final class ModelBox: @unchecked Sendable {
    // Unchecked: see ``ModelHost``.
    var host: ModelHost?
}
