import DequeModule
import StepEvents
import Synchronization

/// Commands on their way to the log's writer, in the order that becomes LSN order.
///
/// `@unchecked Sendable`: `monitor` guards every stored property but `waiting`, which is atomic.
final class CommandQueue: @unchecked Sendable {
    /// What is refused just now, and why.
    struct Refusals {
        var newRuns: StoreError?
        var normal: StoreError?
        var all: StoreError?

        func refusal(of priority: Command.Priority) -> StoreError? {
            if let all { return all }
            return switch priority {
            case .newRun: newRuns ?? normal
            case .normal: normal
            case .completion: nil
            }
        }
    }

    let monitor = Monitor()
    private var commands: Deque<Command> = []
    private var bytes = 0
    private var refusals = Refusals()
    private var isClosing = false
    private var writerSleeps = false
    /// How many commands wait; read without the lock by a writer that spins.
    private let waiting = Atomic<Int>(0)

    var isEmpty: Bool { waiting.load(ordering: .acquiring) == 0 }
    var count: Int { waiting.load(ordering: .acquiring) }

    /// Never blocks on anything but this queue's own lock.
    func submit(_ command: Command) throws(StoreError) {
        monitor.lock()
        defer { monitor.unlock() }
        if isClosing { throw refusals.all ?? StoreError(.closed, "the store is closed") }
        if let error = refusals.refusal(of: command.priority) { throw error }
        // What completes running work is bounded by what runs, and refusing it would strand that work.
        if command.priority != .completion {
            guard commands.count < Limits.queuedCommands, bytes < Limits.queuedBytes else {
                throw StoreError(
                    .busy, "\(commands.count) commands of \(bytes) bytes in all wait to be written already")
            }
        }
        commands.append(command)
        bytes += command.bytes
        waiting.store(commands.count, ordering: .releasing)
        if writerSleeps { monitor.signal() }
    }

    /// Takes commands up to the bounds of one transaction, but at least one if there is one.
    func take(into batch: inout [Command]) {
        monitor.lock()
        defer { monitor.unlock() }
        var events = 0
        var taken = 0
        while let command = commands.first {
            events += command.batch.count
            taken += command.bytes
            if !batch.isEmpty, events > Limits.batchEvents || taken > Limits.batchBytes { break }
            commands.removeFirst()
            bytes -= command.bytes
            batch.append(command)
        }
        waiting.store(commands.count, ordering: .releasing)
    }

    /// Takes all that wait, for the last time.
    func takeAll() -> [Command] {
        monitor.lock()
        defer { monitor.unlock() }
        defer { commands = [] }
        bytes = 0
        waiting.store(0, ordering: .releasing)
        // An array made of an empty deque writes to the storage that all empty arrays share.
        return commands.isEmpty ? [] : Array(commands)
    }

    func refuse(_ change: (inout Refusals) -> Void) {
        monitor.lock()
        defer { monitor.unlock() }
        change(&refusals)
    }

    func beginClosing() {
        monitor.lock()
        defer { monitor.unlock() }
        isClosing = true
        monitor.broadcast()
    }

    var closing: Bool { monitor.withLock { isClosing } }

    /// Sleeps until there is work, the queue closes, or `deadline` has come. Only the writer calls it.
    /// Waiting commands don't end the sleep while there is no room for them.
    func sleep(_ clock: any StoreClock, until deadline: UInt64?, workIsEnough: Bool = true) {
        monitor.lock()
        defer { monitor.unlock() }
        while !isClosing, !workIsEnough || commands.isEmpty {
            if let deadline, clock.uptime >= deadline { return }
            writerSleeps = workIsEnough
            clock.wait(on: monitor, until: deadline)
            writerSleeps = false
        }
    }
}
