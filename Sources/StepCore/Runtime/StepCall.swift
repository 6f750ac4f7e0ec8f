package import StepEvents
import StepLocks
import Synchronization

/// One call of a step method: what was asked for, where, and who waits for the answer.
package final class StepCall: Sendable {
    package let scope: String
    package let id: String
    package let operation: StepOperation
    package let site: CallSite
    private let ticket = Locked(Ticket())
    private let boundNumber = Atomic<UInt32>(0)
    private let countedOccurrence = Atomic<UInt32>(0)

    /// What passes between the step method and the instance that executes its run. It stands in the call, not in a
    /// table of the instance, since every step passes here four times.
    private struct Ticket {
        var waiter: UnsafeContinuation<StepDirective, Never>?
        /// The directive that came before the step method asked for it.
        var directive: StepDirective?
        /// The task of the latest attempt; those before it have ended or were cancelled.
        var task: Task<Void, Never>?
        /// The last attempt that was cancelled, maybe before its task existed.
        var cancelledThrough: UInt32 = 0
    }

    package init(scope: String, id: String, operation: StepOperation, site: CallSite) {
        self.scope = scope
        self.id = id
        self.operation = operation
        self.site = site
    }

    /// The step that the call was bound to, once it is; its machine writes it.
    package var number: StepNumber? {
        get {
            let number = boundNumber.load(ordering: .relaxed)
            // The event with sequence 0 is the run's own start, never a step's.
            return number == 0 ? nil : StepNumber(number)
        }
        set { boundNumber.store(newValue?.sequence ?? 0, ordering: .relaxed) }
    }

    /// How often the id had been asked for in its scope before; its machine writes it.
    package var occurrence: UInt32 {
        get { countedOccurrence.load(ordering: .relaxed) }
        set { countedOccurrence.store(newValue, ordering: .relaxed) }
    }

    /// Waits for the next directive, which may be there already. One task at a time.
    package func next() async -> StepDirective { await withUnsafeContinuation { wait($0) } }

    /// Has the next directive resume `waiter`.
    package func wait(_ waiter: UnsafeContinuation<StepDirective, Never>) {
        let directive = ticket.withLock { ticket -> StepDirective? in
            guard let directive = ticket.directive else {
                ticket.waiter = waiter
                return nil
            }
            ticket.directive = nil
            return directive
        }
        if let directive { waiter.resume(returning: directive) }
    }

    /// Gives the step method its next directive; a later one takes the place of one that was not taken yet.
    package func answer(_ directive: StepDirective) {
        let waiter = ticket.withLock { ticket in
            let waiter = ticket.waiter
            ticket.waiter = nil
            if waiter == nil { ticket.directive = directive }
            return waiter
        }
        waiter?.resume(returning: directive)
    }

    /// The task that carries out an attempt, so that it can be cancelled.
    package func attemptBegan(_ attempt: UInt32, _ task: Task<Void, Never>) {
        let isCancelled = ticket.withLock { ticket in
            ticket.task = task
            return ticket.cancelledThrough >= attempt
        }
        if isCancelled { task.cancel() }
    }

    /// Cancels the task of the latest attempt, or of the one that is about to begin.
    package func cancelAttempt(_ attempt: UInt32) {
        let task = ticket.withLock { ticket in
            ticket.cancelledThrough = attempt
            return ticket.task
        }
        task?.cancel()
    }
}
