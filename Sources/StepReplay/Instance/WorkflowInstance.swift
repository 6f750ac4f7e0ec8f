import DequeModule
import Logging
package import StepCore
package import StepEvents
import StepLocks

/// One execution of a workflow function in memory: the task, its serial executor, and the mailbox through which
/// everything reaches its ``RunMachine``.
///
/// All that happens goes through ``drain()``, which one thread at a time runs: first the function's jobs until there
/// are none, then the mailbox, and only when both are empty the next item for the workflow. The same for live and for
/// replayed executions. Where a job takes long, ``flush()`` sees to the mailbox meanwhile.
package final class WorkflowInstance: @unchecked Sendable {
    // `turn` guards `machine`, `task`, `durableWaiters`, `durableThrough`, `heartbeats`, `startIsDurable`, `outgoing`,
    // the spare arrays, `unwinding`, `lateCalls`, `executing`, `isOver` and `isComputing`. The rest is immutable or has
    // its own lock.
    private var machine: RunMachine
    private var task: Task<Void, Never>?
    private var durableWaiters: [(sequence: UInt32, continuation: UnsafeContinuation<Bool, Never>)] = []
    private var heartbeats = WaitingHeartbeats()
    private var durableThrough: UInt32
    /// Whether the run's own start is durable, which `durableThrough` can't say.
    private var startIsDurable: Bool
    private var outgoing: [MachineAction] = []
    // Empty between uses. Their storage goes round, so that a step allocates none.
    private var inputs: [InstanceInput] = []
    private var decided: [MachineAction] = []
    private var performed: [MachineAction] = []
    /// Whether it was noticed that the machine accepts nothing more.
    private var isOver = false
    private var unwinding = UnwindingRecord()
    /// How many steps were asked for after the run's end.
    private var lateCalls = 0
    /// So many of them get their error; tasks that go on all the same would keep a thread busy for ever.
    private static let lateCallLimit = 1_024
    /// The attempt that the host wants the outcome of, in place of the machine.
    private var executing: (call: StepCall, ended: (AttemptOutcome) -> Void)?

    package let run: RunFacts
    package let number: RunNumber
    package let definition: WorkflowDefinition
    private let input: Payload
    let gate = Locked(Gate())
    /// Held by the thread that drains, except while it runs jobs of the function.
    private let turn = Locked(())
    /// Whether this is done while jobs of the function run.
    package private(set) var isComputing = false
    let view: Locked<View>
    let scopes: Locked<Scopes>
    let client: ClientOptions
    let host: any InstanceHost
    let liveLogger: Logger

    struct Gate {
        var jobs: Deque<UnownedJob> = []
        var inbox: [InstanceInput] = []
        var isScheduled = false
        /// What heartbeats are answered once the machine accepts nothing more. Its host may be gone by then, and nobody
        /// there to look into the mailbox.
        var refusal: (any Error)?

        /// Returns whether the instance must now be drained by whoever is told so.
        mutating func deposit(_ input: InstanceInput) -> Bool {
            inbox.append(input)
            defer { isScheduled = true }
            return !isScheduled
        }
    }

    /// What the workflow may read from any thread.
    struct View {
        var now: Timestamp
        var isReplaying: Bool
        var outside = 0
    }

    package init(
        machine: consuming RunMachine, definition: WorkflowDefinition, client: ClientOptions, host: any InstanceHost,
        startIsDurable: Bool = true
    ) {
        let state = machine.state
        let (now, isReplaying) = (machine.now, machine.isReplaying)
        durableThrough = machine.durableThrough
        self.machine = machine
        self.definition = definition
        self.client = client
        self.host = host
        number = state.run
        run = RunFacts(
            id: state.start.id, workflow: state.start.workflow, version: state.start.version, key: state.start.key,
            seed: state.start.seed)
        input = state.start.input
        self.startIsDurable = startIsDurable
        view = Locked(View(now: now, isReplaying: isReplaying))
        scopes = Locked(Scopes(seed: state.start.seed))
        var logger = client.logger
        logger[metadataKey: "run"] = "\(state.start.id)"
        logger[metadataKey: "workflow"] = "\(state.start.workflow)"
        liveLogger = logger
    }

    // MARK: The mailbox

    /// Puts something into the mailbox and has the instance drained; any thread.
    package func post(_ input: InstanceInput) {
        if deposit(input) { host.schedule(self) }
    }

    /// Puts something into the mailbox; any thread. Returns whether the caller must now have the instance drained.
    package func deposit(_ input: InstanceInput) -> Bool {
        gate.withLock { $0.deposit(input) }
    }

    /// Runs the function's jobs and takes what is in the mailbox until there is neither. Only one thread at a time
    /// gets here: the host calls it once for each ``InstanceHost/schedule(_:)``.
    package func drain() {
        repeat {
            while let job = gate.withLock({ $0.jobs.popFirst() }) {
                job.runSynchronously(on: asUnownedTaskExecutor())
            }
        } while turn.withLock { _ in settle() }
    }

    /// What comes after the function's jobs. Returns whether there may be more of them, or more to settle.
    private func settle() -> Bool {
        if takeInputs() {
            carryOut()
            return true
        }
        let more = machine.handOver(at: host.now)
        carryOut()
        if more { return true }
        perform()
        return gate.withLock { gate in
            guard gate.jobs.isEmpty, gate.inbox.isEmpty else { return true }
            gate.isScheduled = false
            return false
        }
    }

    /// Takes what is in the mailbox, and has the host do what was decided, while the function's jobs still run; any
    /// thread. Otherwise a function that computes between two steps would keep the outcome of the first, and whatever
    /// came meanwhile, from the log for as long. Hands nothing over. It may run code of the user's: retry predicates,
    /// the decoding of a signal, handlers of cancelled tasks.
    package func flush() {
        turn.withLockIfAvailable { _ in
            isComputing = true
            defer { isComputing = false }
            if takeInputs() { carryOut() }
            if !outgoing.isEmpty { perform() }
        }
    }

    private func perform() {
        swap(&outgoing, &performed)
        host.perform(performed, of: self)
        performed.removeAll(keepingCapacity: true)
    }

    /// The state of the run as accepted so far; only from ``InstanceHost/perform(_:of:)``.
    package var state: RunState { machine.state }

    /// Whether the function still takes part: it has not ended and is not leaving memory. Only from
    /// ``InstanceHost/perform(_:of:)``.
    package var isActive: Bool { machine.isActive }

    /// Its status; only from ``InstanceHost/perform(_:of:)``.
    package var status: RunStatus { machine.state.status }

    /// Whether any attempt's body runs; only from ``InstanceHost/perform(_:of:)``.
    package var hasRunningBodies: Bool { machine.hasRunningBodies }

    /// Whether nothing but waits is going on and the run may leave memory meanwhile; only from
    /// ``InstanceHost/perform(_:of:)``.
    package var canBeParked: Bool {
        !isComputing && definition.options.parking == .whenNeeded && machine.onlyWaits
            && view.withLock { $0.outside == 0 }
    }

    /// What the code waits for; only from ``InstanceHost/perform(_:of:)``. `nil` while it is busy with something else.
    package var asked: (new: [ReplayHost.Request], open: [StepNumber])? {
        view.withLock { $0.outside == 0 } ? machine.asked : nil
    }

    /// Has an attempt of a step executed that the code asked for; only from ``InstanceHost/perform(_:of:)``.
    ///
    /// Returns whether the code asks for it.
    package func execute(_ facts: AttemptFacts, ended: @escaping (AttemptOutcome) -> Void) -> Bool {
        guard let call = machine.execute(facts) else { return false }
        executing = (call, ended)
        carryOut()
        return true
    }

    /// Takes up what is in the mailbox. Returns whether there was anything.
    private func takeInputs() -> Bool {
        var taken = inputs
        inputs = []
        gate.withLock { swap(&$0.inbox, &taken) }
        defer {
            taken.removeAll(keepingCapacity: true)
            inputs = taken
        }
        guard !taken.isEmpty else { return false }
        let now = host.now
        for input in taken { take(input, at: now) }
        return true
    }

    private func take(_ input: InstanceInput, at now: Timestamp) {
        if machine.isAway, input.isForTheRun {
            outgoing.append(.bounce(input))
            return
        }
        switch input {
        case .begin: begin()
        case .ask(let call, let isCancelled):
            if let refusal = refusal(of: call) { return report(refusal) }
            machine.ask(call, isCancelled: isCancelled)
        case .unwound(let call, let task):
            let asked = CalledStep(call)
            if let earlier = unwinding.delivered(at: asked, to: task) { report(.swallowed(earlier, asked: asked)) }
        case .attemptEnded(let call, let attempt, let outcome):
            if let executing, executing.call === call {
                self.executing = nil
                return executing.ended(outcome)
            }
            machine.attemptEnded(call, attempt: attempt, outcome: outcome, at: now)
        case .heartbeat(let heartbeat): take(heartbeat, at: now)
        case .cancelCall(let call): machine.cancelCall(call, at: now)
        case .awaitDurable(let continuation): awaitDurable(continuation)
        case .functionEnded(let outcome): machine.functionEnded(outcome, at: now)
        case .committed(let sequence): committed(through: sequence, at: now)
        case .timerFired(let timer):
            machine.isOutside = view.withLock { $0.outside > 0 }
            machine.timerFired(timer, at: now)
        case .offer(let offer): machine.offer(offer, at: now)
        case .signalDelivered(let step, let run): machine.signalDelivered(step, to: run, at: now)
        case .childEnded(let step, let outcome): machine.childEnded(step, outcome, at: now)
        case .turnGranted(let step): machine.turnGranted(step, at: now)
        case .cancelRun(let by, let reason, let token):
            let isNews = machine.cancelRun(by: by, reason: reason, at: now)
            outgoing += machine.takeActions().filter { carriesOut($0) }
            outgoing.append(.answerCancel(token, isNews: isNews))
        case .hold(let failure): machine.hold(failure, at: now)
        case .unwind(let interrupting): machine.unwind(interrupting: interrupting, at: now)
        case .quiesce: machine.quiesce()
        case .park:
            guard canBeParked else { return outgoing.append(.parkRefused) }
            machine.unwind(interrupting: false, at: now)
        }
    }

    /// Whether code that was told to end goes on asking, so that this call must never be answered: it would spin.
    private func refusal(of call: StepCall) -> UnwindingReport? {
        guard !machine.isActive else { return nil }
        if machine.isUnwinding { return unwinding.refusesForGood() ? .suspended(CalledStep(call)) : nil }
        lateCalls += 1
        return lateCalls > Self.lateCallLimit ? .leftBehind(CalledStep(call)) : nil
    }

    private func begin() {
        task = Task(executorPreference: self) { [self] in
            let outcome: FunctionOutcome
            do {
                outcome = .returned(try await definition.body(self, input))
            } catch {
                outcome = .threw(error)
            }
            post(.functionEnded(outcome))
        }
    }

    private func committed(through sequence: UInt32, at now: Timestamp) {
        startIsDurable = true
        durableThrough = max(durableThrough, sequence)
        machine.committed(through: sequence, at: now)
        heartbeats.committed(through: durableThrough)
        guard !durableWaiters.isEmpty else { return }
        durableWaiters.removeAll { waiter in
            guard waiter.sequence <= durableThrough else { return false }
            waiter.continuation.resume(returning: true)
            return true
        }
    }

    private func awaitDurable(_ continuation: UnsafeContinuation<Bool, Never>) {
        let last = machine.state.nextSequence - 1
        if startIsDurable, last <= durableThrough {
            continuation.resume(returning: true)
        } else if machine.isUnwinding {
            continuation.resume(returning: false)
        } else {
            durableWaiters.append((last, continuation))
        }
    }

    private func take(_ heartbeat: Heartbeat, at now: Timestamp) {
        if let executing, executing.call === heartbeat.call {
            // The history is elsewhere, and a request has one answer alone.
            return heartbeat.refuse(
                UnsupportedByDriver(feature: "StepContext.heartbeat", driver: "request and response"))
        }
        do {
            let sequence = try machine.heartbeat(
                heartbeat.call, attempt: heartbeat.attempt, details: heartbeat.details, at: now)
            heartbeats.append(heartbeat, sequence: sequence)
        } catch {
            heartbeat.refuse(error)
        }
    }

    /// The machine accepts nothing more, and never will again. Commits may no longer be told of, so nobody waits for one.
    private func endHeartbeats() {
        isOver = true
        let refusal: any Error = machine.isUnwinding ? RunUnwinding() : CancellationError()
        heartbeats.refuseAll(refusal)
        gate.withLock { $0.refusal = refusal }
    }

    // MARK: Carrying out

    /// Answers calls and cancels tasks at once; keeps what is the host's until the code has nothing left to do, so
    /// that an outcome and the start that follows it are written in one commit.
    private func carryOut() {
        if machine.isUnwinding, !durableWaiters.isEmpty {
            for waiter in durableWaiters { waiter.continuation.resume(returning: false) }
            durableWaiters = []
        }
        if !machine.isActive, !isOver { endHeartbeats() }
        guard machine.hasDecided else { return }
        machine.takeActions(into: &decided)
        for action in decided where carriesOut(action) { outgoing.append(action) }
        decided.removeAll(keepingCapacity: true)
        view.withLock { view in
            view.now = machine.now
            view.isReplaying = machine.isReplaying
        }
    }

    /// Carries out what concerns the function itself; returns whether the action is the host's.
    private func carriesOut(_ action: MachineAction) -> Bool {
        switch action {
        case .answer(let call, let directive): answer(call, directive)
        case .cancelFunction: task?.cancel()
        case .cancelAttempt(let call, let attempt):
            call.cancelAttempt(attempt)
            heartbeats.cancel(call, attempt: attempt)
        default: return true
        }
        return false
    }

    /// Logs what is wrong with the function, which any host's user must know, and has the host count it.
    private func report(_ report: UnwindingReport) {
        liveLogger.log(level: report.level, "\(report.message)", metadata: report.metadata)
        outgoing.append(.report(.unwinding(report)))
    }

    private func answer(_ call: StepCall, _ directive: StepDirective) {
        // What the code sees as now must be set before it runs.
        view.withLock { $0.now = machine.now }
        call.answer(directive)
    }
}

extension InstanceInput {
    /// Whether it concerns the run, not this execution of its function.
    fileprivate var isForTheRun: Bool {
        switch self {
        case .offer, .signalDelivered, .childEnded, .cancelRun: true
        default: false
        }
    }
}

// MARK: - The run's executor

extension WorkflowInstance: TaskExecutor {
    /// Keeps the job until the instance drains: the next item is handed over only when there is none.
    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let wasIdle = gate.withLock { gate in
            gate.jobs.append(job)
            defer { gate.isScheduled = true }
            return !gate.isScheduled
        }
        if wasIdle { host.schedule(self) }
    }
}
