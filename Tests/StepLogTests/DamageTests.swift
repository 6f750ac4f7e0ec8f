import Foundation
import StepEvents
import StepLog
import TestSupport
import Testing

/// Damage to any page of the database. Each kind runs in a process of its own, so that a signal fails the test instead
/// of ending all of them.
@Suite("A damaged database gives right data or a typed error, never a signal")
struct DamageTests {
    enum Damage: Int, CaseIterable {
        case flippedInHeader, flippedAnywhere, zeroed, swapped, stale
    }

    @Test("Every page", arguments: Damage.allCases.map(\.rawValue))
    func everyPage(damage: Int) async throws {
        await #expect(processExitsWith: .success) { [damage = damage as Int] in
            var bench = try DamageBench(seed: 1)
            let damage = try #require(Damage(rawValue: damage))
            for page in 0..<bench.pages {
                for _ in 0..<(damage == .flippedInHeader || damage == .flippedAnywhere ? 3 : 1) {
                    try bench.check(damage, page: page)
                }
            }
            #expect(bench.refusals > 0)
            // Some bits lie in free pages and between nodes.
            if damage == .flippedAnywhere { #expect(bench.successes > 0) }
        }
    }
}

private struct DamageBench {
    private let directory: TemporaryDirectory
    private let options: StoreOptions
    private let script: RunScript
    private let whole: [UInt8]
    /// The database as it was some commits before.
    private let old: [UInt8]
    private let witness: Data
    private var generator: SeededGenerator
    private(set) var refusals = 0
    private(set) var successes = 0

    private static let pageBytes = sysconf(Int32(_SC_PAGESIZE))

    init(seed: UInt64) throws {
        directory = try TemporaryDirectory("stepkit-damage", inMemory: true)
        generator = SeededGenerator(seed: seed)
        var options = StoreOptions()
        options.clock = ManualStoreClock()
        options.writer = .manual
        options.mapBytes = 1 << 30
        options.space = { _ in nil }
        self.options = options
        let path = directory.appending("store")
        let store = try EventStore.openLMDB(directory: path, options: options)
        var workload = RandomWorkload(seed: seed, largePayload: 70_000)
        var old: [UInt8] = []
        for number in 0..<80 {
            try store.submit(try workload.next())
            store.commitPending()
            if number == 65 { old = try Self.read("\(path)/data.mdb") }
        }
        store.close()
        self.old = old
        script = workload.script
        whole = try Self.read("\(path)/data.mdb")
        witness = try Data(contentsOf: URL(fileURLWithPath: "\(path)/witness"))
    }

    var pages: Int { whole.count / Self.pageBytes }

    private static func read(_ path: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    }

    /// Damages a page, and opens what is left as a reader and as the engine.
    mutating func check(_ damage: DamageTests.Damage, page: Int) throws {
        guard let bytes = damaged(damage, page) else { return }
        let meta = 0..<2 * Self.pageBytes
        let isMeta = bytes[meta] != whole[meta]
        for isEngine in [false, true] {
            try Data(bytes).write(to: URL(fileURLWithPath: "\(directory.appending("store"))/data.mdb"))
            try witness.write(to: URL(fileURLWithPath: "\(directory.appending("store"))/witness"))
            do {
                try isEngine ? checkEngine() : checkReader(mayBeOlder: isMeta)
                successes += 1
            } catch let error as StoreError {
                refusals += 1
                let isTyped: Bool
                switch error.code {
                case .damaged, .tornCommit, .rolledBack, .foreign, .newerFormat, .commitOutcomeUnknown: isTyped = true
                // Address space that a damaged number asks for.
                case .system, .unusable: isTyped = isMeta
                default: isTyped = false
                }
                #expect(isTyped, "\(damage) page \(page): \(error)")
            }
        }
    }

    private mutating func damaged(_ damage: DamageTests.Damage, _ page: Int) -> [UInt8]? {
        var bytes = whole
        let size = Self.pageBytes
        let range = page * size..<(page + 1) * size
        switch damage {
        case .flippedInHeader: bytes[range.lowerBound + generator.below(64)] ^= 1 << UInt8(generator.below(8))
        case .flippedAnywhere: bytes[range.lowerBound + generator.below(size)] ^= 1 << UInt8(generator.below(8))
        case .zeroed: bytes.replaceSubrange(range, with: [UInt8](repeating: 0, count: size))
        case .swapped:
            let other = generator.below(pages)
            bytes.replaceSubrange(range, with: whole[other * size..<(other + 1) * size])
            bytes.replaceSubrange(other * size..<(other + 1) * size, with: whole[range])
        case .stale:
            guard range.upperBound <= old.count, old[range] != whole[range] else { return nil }
            bytes.replaceSubrange(range, with: old[range])
        }
        return bytes
    }

    private func checkReader(mayBeOlder: Bool) throws {
        let reader = try EventStore.openReadOnly(directory: directory.appending("store"), options: options)
        defer { reader.close() }
        try checkHistories(of: reader, mayBeOlder: mayBeOlder)
        try reader.read { snapshot throws in
            for row in try snapshot.runs(limit: .max) { _ = try snapshot.run(id: row.id) }
            _ = try (snapshot.openRuns(), snapshot.statistics(), snapshot.events(after: .zero, limit: .max))
        }
        // Finds something or not; it must come to an end.
        _ = try reader.verify()
    }

    private func checkEngine() throws {
        let store = try EventStore.openLMDB(directory: directory.appending("store"), options: options)
        defer { store.close() }
        var script = script
        for _ in 0..<3 {
            try store.submit(try script.start(input: Payload([UInt8](repeating: 32, count: 3_000))).command)
            store.commitPending()
        }
        if let error = store.health.finalError { throw error }
        try checkHistories(of: store)
    }

    /// Each history is right, or known to be damaged. A reader that finds one of the first two pages out of date reads
    /// the commit before, which the engine refuses.
    private func checkHistories(of store: EventStore, mayBeOlder: Bool = false) throws {
        var error: (any Error)?
        for (run, history) in script.histories {
            do {
                let stored = try store.history(of: run).map(\.event)
                #expect(mayBeOlder ? history.starts(with: stored) : stored == history)
            } catch let damage {
                error = damage
            }
        }
        if let error { throw error }
    }
}
