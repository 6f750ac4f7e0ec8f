import StepEvents
import StepLog

/// What the events of a log leave out because earlier ones said it: the run's id, workflow and key, and the key of the
/// step that an outcome belongs to.
///
/// It follows the log forwards and keeps only runs and steps that are still open. Where the reader begins in the
/// middle, it looks the run up and walks back along the run's events as far as needed, never over the same event
/// twice.
struct StepResolver: Sendable {
    struct KnownRun: Sendable {
        var id: RunID
        var workflow: String
        var key: String?
    }

    struct KnownStep: Sendable {
        var key: StepKey
        /// The number of the attempt that began last; `nil` for waits.
        var attempt: UInt32?
    }

    struct Place: Sendable {
        var run: KnownRun
        var step: KnownStep?
    }

    private struct OpenRun: Sendable {
        var run: KnownRun
        var steps: [StepNumber: KnownStep] = [:]
        /// `nil` where all that came before is known.
        var walk: StepWalk?
    }

    private var runs: [RunNumber: OpenRun] = [:]

    /// Takes the next event of the log and says what it belongs to; `nil` for events of the store.
    mutating func resolve(_ logged: LoggedEvent, _ store: EventStore) throws -> Place? {
        let event = logged.event
        if event.run == .store { return nil }
        if runs[event.run] == nil { runs[event.run] = try open(logged, store) }
        guard let run = runs[event.run]?.run else { return nil }
        let step = try step(of: logged, store)
        if event.kind.endsRun { runs[event.run] = nil }
        return Place(run: run, step: step)
    }

    private func open(_ logged: LoggedEvent, _ store: EventStore) throws -> OpenRun {
        if case .runStarted(let start) = logged.event.body {
            return OpenRun(run: KnownRun(id: start.id, workflow: start.workflow, key: start.key))
        }
        let number = logged.event.run
        guard let row = try store.read({ try $0.run(number) }) else {
            throw StoreError(
                .damaged, "the run has events but no row", path: store.path, lsn: logged.lsn, run: number, table: .runs)
        }
        return OpenRun(
            run: KnownRun(id: row.id, workflow: row.workflow, key: row.key),
            walk: StepWalk(run: number, from: logged.previous))
    }

    private mutating func step(of logged: LoggedEvent, _ store: EventStore) throws -> KnownStep? {
        let event = logged.event
        if let introduced = event.introducedStep {
            runs[event.run]?.steps[StepNumber(event.sequence)] = introduced
            return introduced
        }
        guard let number = event.body.step else { return nil }
        var known = try runs[event.run]?.steps[number] ?? lookUp(number, logged, store)
        if case .stepStarted(let body) = event.body { known.attempt = body.attempt }
        runs[event.run]?.steps[number] = event.body.closesStep ? nil : known
        return known
    }

    private mutating func lookUp(_ number: StepNumber, _ logged: LoggedEvent, _ store: EventStore) throws -> KnownStep {
        let run = logged.event.run
        if var walk = runs[run]?.walk {
            let known = try walk.find(number, store)
            runs[run]?.walk = walk
            if let known { return known }
        }
        throw StoreError(
            .damaged, "\(logged.event.kind.name) belongs to step \(number), which the run does not have open",
            path: store.path, lsn: logged.lsn, run: run, table: .log)
    }
}

/// Walks back along a run's events in search of the events that introduced its steps.
struct StepWalk: Sendable {
    private let run: RunNumber
    /// The next event to read; zero once the run's first was read.
    private var next: LSN
    /// Steps that were introduced here and are open where the walk began.
    private var found: [StepNumber: StepResolver.KnownStep] = [:]
    private var closed: Set<StepNumber> = []
    private var attempts: [StepNumber: UInt32] = [:]

    /// So many events take about 20 ms.
    private static let slice = 10_000

    init(run: RunNumber, from lsn: LSN) {
        self.run = run
        next = lsn
    }

    /// What is known of a step that was open where the walk began; `nil` when there is no such step.
    mutating func find(_ number: StepNumber, _ store: EventStore) throws -> StepResolver.KnownStep? {
        while found[number] == nil, next != .zero {
            var walk = self
            try store.read { snapshot in
                var left = Self.slice
                while walk.found[number] == nil, walk.next != .zero, left > 0 {
                    guard let logged = try snapshot.event(at: walk.next), logged.event.run == run else {
                        throw StoreError(
                            .damaged, "the chain of the run's events is broken", path: store.path, lsn: walk.next,
                            run: run, table: .log)
                    }
                    walk.take(logged)
                    left -= 1
                }
            }
            self = walk
        }
        return found.removeValue(forKey: number)
    }

    private mutating func take(_ logged: LoggedEvent) {
        next = logged.previous
        let event = logged.event
        if var introduced = event.introducedStep {
            let number = StepNumber(event.sequence)
            guard closed.remove(number) == nil else { return }
            introduced.attempt = attempts.removeValue(forKey: number) ?? introduced.attempt
            found[number] = introduced
        } else if let number = event.body.step {
            if event.body.closesStep { closed.insert(number) }
            guard !closed.contains(number), attempts[number] == nil else { return }
            if case .stepStarted(let body) = event.body { attempts[number] = body.attempt }
        }
    }
}
