import Logging
import StepCore
import StepEvents
import StepReplay

/// A host in which everything happens on one thread and nothing by itself: bodies stop at a gate, and what happens next
/// is one ``Choice`` among those that are possible.
///
/// It plays the engine's part: it keeps the log, makes events durable, fires timers, sends signals, ends children.
final class ModelHost: InstanceHost, @unchecked Sendable {
    // Unchecked: every job of every instance and body is run by the thread that calls `settle`, which is the only one
    // that touches this object.

    enum Choice: Hashable {
        case body(StepKey, attempt: UInt32)
        case timer(StepNumber)
        case signal(StepNumber)
        case delivery(StepNumber)
        case child(StepNumber)
        case cancelRun
        case commit
    }

    /// A body that waits at its gate.
    private struct Parked {
        let key: StepKey
        let attempt: UInt32
        let continuation: UnsafeContinuation<Void, Never>
    }

    let definition: WorkflowDefinition
    let client: ClientOptions
    /// Whether events are durable at once, or when the model chooses.
    var commitsAtOnce = true
    /// As an engine does whose threads have ended.
    var ignoresSchedules = false
    private(set) var log: [Event]
    /// How long the log was after each command: where a crash may cut it.
    private(set) var commandEnds: [Int] = []
    private(set) var reports: [MachineReport] = []
    private(set) var ends: [MachineEnd] = []
    private(set) var bodiesBegun: [StepKey: Int] = [:]
    private(set) var verdicts: [SignalVerdict] = []
    private(set) var instance: WorkflowInstance?
    private(set) var commits = 0
    /// What came for the run while its function was leaving memory.
    private(set) var bounced: [InstanceInput] = []
    var now: Timestamp

    private let bodies = BodyQueue()
    private var scheduled: [WorkflowInstance] = []
    private var parked: [Parked] = []
    private var timers: [MachineTimer] = []
    private var waits: Set<StepNumber> = []
    private var deliveries: Set<StepNumber> = []
    private var children: Set<StepNumber> = []
    private var undurable: UInt32?
    private var offers: UInt64 = 0

    init(
        _ definition: WorkflowDefinition, log: [Event],
        logger: Logger = Logger(label: "model") { _ in SwiftLogNoOpLogHandler() }
    ) {
        self.definition = definition
        self.log = log
        now = log.last?.time ?? HistoryBuilder.beginning
        client = ClientOptions(clientID: "model", logger: logger)
    }

    // MARK: Executing

    /// Begins the workflow function with the log as its history.
    func begin() throws {
        timers = []
        waits = []
        deliveries = []
        children = []
        undurable = nil
        let settings = MachineSettings(
            options: definition.options, maxInterruptions: client.maxInterruptions, abandonAfter: client.abandonAfter,
            allocateRun: { RunNumber(99) })
        var machine = try RunMachine(history: log, settings: settings)
        machine.resume(at: now)
        let instance = WorkflowInstance(machine: machine, definition: definition, client: client, host: self)
        self.instance = instance
        instance.post(.begin)
        for input in bounced { instance.post(input) }
        bounced = []
        settle()
    }

    func post(_ input: InstanceInput) {
        instance?.post(input)
        settle()
    }

    /// Runs what can run until there is nothing.
    func settle() {
        while true {
            if let job = bodies.next() {
                job.runSynchronously(on: bodies.asUnownedTaskExecutor())
            } else if !scheduled.isEmpty {
                scheduled.removeFirst().drain()
            } else {
                return
            }
        }
    }

    func forgetEnds() { ends = [] }

    /// Ends bodies that nobody waits for any longer, so that no task is left behind.
    func finish() {
        while !parked.isEmpty {
            for body in parked { body.continuation.resume() }
            parked = []
            settle()
        }
        instance = nil
    }

    // MARK: Choices

    /// What could happen next. Of the timers only the earliest, since time does not pass it by.
    var choices: [Choice] {
        var choices = parked.map { Choice.body($0.key, attempt: $0.attempt) }
        if let timer = timers.min(by: { ($0.due, $0.step) < ($1.due, $1.step) }) { choices.append(.timer(timer.step)) }
        choices += waits.sorted().map(Choice.signal) + deliveries.sorted().map(Choice.delivery)
        choices += children.sorted().map(Choice.child)
        if undurable != nil { choices.append(.commit) }
        return choices
    }

    /// Makes it happen; what follows from it is left to ``settle()``, so that several things can happen at once.
    func happen(_ choice: Choice) {
        switch choice {
        case .body(let key, let attempt):
            guard let index = parked.firstIndex(where: { $0.key == key && $0.attempt == attempt }) else { return }
            parked.remove(at: index).continuation.resume()
            // Its outcome is in the mailbox before anything else happens.
            while let job = bodies.next() { job.runSynchronously(on: bodies.asUnownedTaskExecutor()) }
        case .timer(let step):
            guard let index = timers.firstIndex(where: { $0.step == step }) else { return }
            let timer = timers.remove(at: index)
            now = max(now, timer.due)
            instance?.post(.timerFired(timer))
        case .signal(let step):
            offers += 1
            let payload = Payload(json: "\(step.sequence)")
            instance?.post(.offer(SignalOffer(id: offers, step: step, payload: payload, mark: nil)))
        case .delivery(let step):
            deliveries.remove(step)
            instance?.post(.signalDelivered(step, to: .store))
        case .child(let step):
            children.remove(step)
            instance?.post(.childEnded(step, .succeeded(Payload(json: "\(step.sequence)"))))
        case .cancelRun: instance?.post(.cancelRun(by: "model", reason: "", token: 0))
        case .commit: commit()
        }
    }

    private func commit() {
        guard let last = undurable else { return }
        undurable = nil
        commits += 1
        instance?.post(.committed(through: last))
    }

    /// Where a body stops until the model lets it end.
    func gate(_ context: StepContext) async {
        let key = StepKey(
            scope: context.scope, id: context.stepID, occurrence: UInt32(truncatingIfNeeded: context.occurrence))
        bodiesBegun[key, default: 0] += 1
        await withUnsafeContinuation {
            parked.append(
                Parked(key: key, attempt: UInt32(truncatingIfNeeded: context.attempt), continuation: $0))
        }
    }

    // MARK: InstanceHost

    var bodyExecutor: any TaskExecutor { bodies }

    func schedule(_ instance: WorkflowInstance) { if !ignoresSchedules { scheduled.append(instance) } }

    func perform(_ actions: [MachineAction], of instance: WorkflowInstance) {
        guard instance === self.instance else { return }
        let before = log.count
        for action in actions { perform(action) }
        if log.count > before { commandEnds.append(log.count) }
        if commitsAtOnce { commit() }
    }

    private func perform(_ action: MachineAction) {
        switch action {
        case .append(let event, _, _):
            log.append(event)
            undurable = event.sequence
        case .setTimer(let timer): timers.append(timer)
        case .clearTimers(let step): timers.removeAll { $0.step == step }
        case .awaitSignal(let step, _, _): waits.insert(step)
        case .stopAwaitingSignal(let step, _, _): waits.remove(step)
        case .answerOffer(let offer, let verdict):
            verdicts.append(verdict)
            if case .rejected = verdict { return }
            waits.remove(offer.step)
        case .deliverSignal(let step, _, _): deliveries.insert(step)
        case .startChild: if let step = log.last.map({ StepNumber($0.sequence) }) { children.insert(step) }
        case .awaitChild(let step, _): children.insert(step)
        case .awaitTurn(let step): instance?.post(.turnGranted(step))
        case .report(let report): reports.append(report)
        case .bounce(let input): bounced.append(input)
        case .ended(let end): ends.append(end)
        case .answer, .cancelFunction, .cancelAttempt, .answerCancel, .cancelChild, .endTurn, .parkRefused: break
        }
    }
}

/// Keeps the jobs of bodies until the model runs them.
final class BodyQueue: TaskExecutor, @unchecked Sendable {
    // Unchecked: see ``ModelHost``.
    private var jobs: [UnownedJob] = []

    func enqueue(_ job: consuming ExecutorJob) { jobs.append(UnownedJob(job)) }

    func next() -> UnownedJob? { jobs.isEmpty ? nil : jobs.removeFirst() }
}
