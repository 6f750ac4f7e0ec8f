package import StepEvents
package import StepLog

/// Makes the commands of legal histories: keeps each run's state by the one transition function, and projects each
/// event as the engine does.
package struct RunScript: Sendable {
    package private(set) var states: [RunNumber: RunState] = [:]
    package private(set) var histories: [RunNumber: [Event]] = [:]
    /// Events of the store that were made.
    package private(set) var storeEvents: [Event] = []
    package private(set) var lastRun: RunNumber
    package var time: Timestamp

    package init(
        time: Timestamp = Timestamp(nanoseconds: 1_772_000_000_000_000_000), lastRun: RunNumber = RunNumber(0)
    ) {
        self.time = time
        self.lastRun = lastRun
    }

    /// A run's first command.
    package mutating func start(
        workflow: String = "process-order", key: String? = nil, input: Payload = Payload(json: "{}"),
        parent: RunStarted.Parent? = nil, observer: (any CommitObserver)? = nil, token: UInt64 = 0
    ) throws -> (run: RunNumber, command: Command) {
        let run = RunNumber(lastRun.value + 1)
        lastRun = run
        let id = RunID(time: time, random: (run.value &* 0x9E37_79B9, run.value &* 0x85EB_CA6B))
        let body = EventBody.runStarted(
            RunStarted(
                id: id, workflow: workflow, version: 1, key: key, input: input, seed: run.value, parent: parent))
        return (run, try command(run, [body], observer: observer, token: token, priority: .newRun))
    }

    /// The next events of a run, as one command.
    package mutating func command(
        _ run: RunNumber, _ bodies: [EventBody], observer: (any CommitObserver)? = nil, token: UInt64 = 0,
        priority: Command.Priority = .normal
    ) throws -> Command {
        var batch = EventBatch()
        var changes: [TableChange] = []
        for body in bodies { try append(body, run, &batch, &changes) }
        return Command(batch: batch, changes: changes, observer: observer, token: token, priority: priority)
    }

    /// Events of the store, as one command.
    package mutating func storeCommand(
        _ bodies: [EventBody], observer: (any CommitObserver)? = nil, token: UInt64 = 0
    ) -> Command {
        var batch = EventBatch()
        var changes: [TableChange] = []
        for body in bodies {
            time = time.advanced(by: .milliseconds(1))
            let event = Event(run: .store, sequence: 0, time: time, body: body)
            storeEvents.append(event)
            Projection.changes(storeEvent: event, at: batch.count, into: &changes)
            batch.append(event)
        }
        return Command(batch: batch, changes: changes, observer: observer, token: token)
    }

    private mutating func append(
        _ body: EventBody, _ run: RunNumber, _ batch: inout EventBatch, _ changes: inout [TableChange]
    ) throws {
        time = time.advanced(by: .milliseconds(1))
        let sequence = states[run]?.nextSequence ?? 0
        let event = Event(
            run: run, sequence: sequence, time: time, after: sequence > 2 ? sequence - 2 : nil, body: body)
        if var state = states[run] {
            let transition = try state.apply(event)
            states[run] = state
            Projection.changes(transition, after: state, event: event, into: &changes)
        } else {
            let state = try RunState(event)
            states[run] = state
            Projection.changes(nil, after: state, event: event, into: &changes)
        }
        histories[run, default: []].append(event)
        batch.append(event)
    }
}
