import CrashWorkload
import Glibc
import Synchronization
import TestSupport
import Testing

extension CrashTests {
    /// A process that works on a store is killed at any moment, again and again, and started again.
    @Suite struct KillLoopTests {
        private static let kills = 200
        private static let killsPerStore = 20

        @Test("200 kills lose nothing that was acknowledged and repeat nothing that was finished")
        func nothingIsLost() async throws {
            try await forSeeds(share: 0.5) { seed in
                let killed = Atomic<Int>(0)
                let bodies = Atomic<Int>(0)
                let repeats = Atomic<Int>(0)
                let beatsSeen = Atomic<Int>(0)
                let problems = Mutex<[String]>([])
                try await onTwoThreads { lane in
                    let store = try KilledStore(seed: seed &* 1_000 &+ UInt64(lane))
                    let outcome = try store.liveAndDie(Self.killsPerStore)
                    bodies.wrappingAdd(outcome.oracle.bodies, ordering: .relaxed)
                    repeats.wrappingAdd(outcome.oracle.repeats, ordering: .relaxed)
                    beatsSeen.wrappingAdd(outcome.oracle.beatsSeen, ordering: .relaxed)
                    problems.withLock { $0 += outcome.problems }
                    let all = killed.wrappingAdd(outcome.deaths, ordering: .relaxed).newValue
                    return all < Self.kills && problems.withLock { $0.isEmpty }
                }
                #expect(problems.withLock { Array($0.prefix(10)) } == [], "\(Seeds.repeating(seed, "KillLoopTests"))")
                guard problems.withLock({ $0.isEmpty }) else { return }
                let (kills, begun, again) = (
                    killed.load(ordering: .relaxed), bodies.load(ordering: .relaxed), repeats.load(ordering: .relaxed)
                )
                print("kill loop: seed \(seed), \(kills) kills, \(begun) bodies began, \(again) of them again")
                #expect(kills >= Self.kills)
                #expect(again > 0 && begun > kills, "the kills met no work")
                #expect(beatsSeen.load(ordering: .relaxed) > 0, "no attempt found a heartbeat")
            }
        }
    }
}

/// One store, the lives on it and their deaths.
private struct KilledStore {
    private let directory: TemporaryDirectory
    private let orders: WorkerOrders
    private var draws: SeededGenerator
    private let seed: UInt64

    init(seed: UInt64) throws {
        self.seed = seed
        directory = try TemporaryDirectory("stepkit-kill")
        var draws = SeededGenerator(seed: seed)
        let plans = (0..<30).map { Plan.random("r\($0)", steps: 8, using: &draws) }
        var orders = WorkerOrders(store: directory.appending("store"), plans: plans)
        orders.width = 1 + draws.below(8)
        orders.verifies = true
        // In half of the stores checkpoints and witnesses are written many times in a life.
        orders.isHasty = draws.once(in: 2)
        self.orders = orders
        self.draws = draws
    }

    /// Kills up to `limit` lives, lets the next one finish, and another one find everything finished.
    func liveAndDie(_ limit: Int) throws -> (oracle: Oracle, deaths: Int, problems: [String]) {
        var draws = draws
        var oracle = Oracle(orders.plans)
        var deaths = 0
        var lives: [WorkerProcess.Life] = []
        while deaths < limit, lives.isEmpty {
            let death: WorkerProcess.Death =
                draws.once(in: 4)
                ? .sinceBirth(microseconds: draws.below(60_000)) : .sinceReady(microseconds: draws.below(40_000))
            let life = try WorkerProcess.live(orders, death: death)
            oracle.take(life.marks)
            if life.end == .signalled(SIGKILL) { deaths += 1 } else { lives.append(life) }
        }
        while lives.count < 2 {
            lives.append(try WorkerProcess.live(orders))
            oracle.take(lives[lives.count - 1].marks)
        }
        var problems = oracle.closeBooks()
        problems += lives.filter { !$0.finished() }.map { "\($0.end): \($0.marks.suffix(3))" }
        return (oracle, deaths, problems.map { "store \(seed) after \(deaths) kills: \($0)" })
    }
}
