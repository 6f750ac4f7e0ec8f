import CrashWorkload
import Foundation
import StepEvents
import StepLog
import TestSupport
import Testing

extension CrashTests {
    /// A process is killed around the commit that holds the first event of each kind.
    @Suite struct EveryKindTests {
        /// Kinds that the engine can't write yet. It may only become shorter.
        static let missing: Set<EventKind> = []

        @Test("The scenario meets every kind of event, and ends as it must")
        func scenario() async throws {
            let place = try TemporaryDirectory("stepkit-kinds", inMemory: true)
            let met = DeadlyTables.Met()
            let scenario = EveryKindScenario(
                directory: place.appending("store"), telling: place.appending("marks"),
                around: { DeadlyTables($0, deadly: nil, met: met) })
            #expect(try await scenario.run() == EveryKindScenario.Outcomes())
            #expect(met.all == Set(EventKind.allCases).subtracting(Self.missing))
        }

        @Test(
            "SIGKILL around the commit of each kind of event loses nothing and repeats nothing",
            arguments: EventKind.allCases.filter { !missing.contains($0) }, DeadlyTables.Moment.allCases)
        func killed(kind: EventKind, moment: DeadlyTables.Moment) async throws {
            let place = try TemporaryDirectory("stepkit-kinds", inMemory: true)
            let (store, marks) = (place.appending("store"), place.appending("marks"))
            await #expect(processExitsWith: .signal(SIGKILL)) {
                [
                    store = store as String, marks = marks as String, kind = kind.rawValue as UInt8,
                    moment = moment.rawValue as String
                ] in
                let kind = try #require(EventKind(rawValue: kind))
                let moment = try #require(DeadlyTables.Moment(rawValue: moment))
                let scenario = EveryKindScenario(
                    directory: store, telling: marks,
                    around: { DeadlyTables($0, deadly: (kind, moment), met: DeadlyTables.Met()) })
                _ = try await scenario.run()
            }
            let finished = try Self.finishedSteps(store)
            let before = try Self.begun(marks)
            let scenario = EveryKindScenario(directory: store, telling: marks)
            #expect(try await scenario.run() == EveryKindScenario.Outcomes())
            let all = try Self.begun(marks)
            #expect(Set(all).count == all.count, "an attempt ran twice")
            if kind == .stepHeartbeat {
                let isSeen = all.contains { $0.step == "beating-from-\(EveryKindScenario.beat)" }
                #expect(isSeen == (moment == .after), "the next attempt goes on from what is in the log")
            }
            let again = Set(all.dropFirst(before.count).map(\.step))
            #expect(again.isDisjoint(with: finished), "finished bodies ran again")
            let reader = try EventStore.openReadOnly(directory: store)
            defer { reader.close() }
            #expect(try reader.verify().findings == [])
        }

        private struct Attempt: Hashable {
            var step: String
            var number: Int
        }

        private static func begun(_ path: String) throws -> [Attempt] {
            guard FileManager.default.fileExists(atPath: path) else { return [] }
            let text = try String(contentsOfFile: path, encoding: .utf8)
            return try text.split(separator: "\n").map { line in
                guard case .began(_, let step, let attempt)? = Mark(line: String(line)) else {
                    throw UnreadableMark(line: String(line))
                }
                return Attempt(step: step, number: attempt)
            }
        }

        /// What the store that was left behind says is finished.
        private static func finishedSteps(_ directory: String) throws -> Set<String> {
            let store = try EventStore.openReadOnly(directory: directory)
            defer { store.close() }
            var finished: Set<String> = []
            for row in try store.read({ snapshot in try snapshot.runs(limit: .max) }) {
                var names: [StepNumber: String] = [:]
                for event in try store.history(of: row.number).map(\.event) {
                    if case .stepStarted(let started) = event.body, case .new(let key) = started.step {
                        names[StepNumber(event.sequence)] = key.id
                    }
                    if case .stepSucceeded(let body) = event.body, let name = names[body.step] { finished.insert(name) }
                }
            }
            return finished
        }
    }
}
