package import StepEvents
import StepLocks
package import StepLog

/// Writes down what a store says of the commands it was given.
package final class AckRecorder: CommitObserver {
    package struct Ack: Hashable, Sendable {
        package var token: UInt64
        package var outcome: Result<LSN, StoreError>
    }

    private let state = Locked<[Ack]>([])
    private let monitor = Monitor()

    package init() {}

    package func acknowledged(_ outcome: Result<LSN, StoreError>, token: UInt64) {
        state.withLock { $0.append(Ack(token: token, outcome: outcome)) }
        monitor.withLock { monitor.broadcast() }
    }

    package var acks: [Ack] { state.withLock { $0 } }

    /// The LSNs of commands that are durable, in the order in which the store said so.
    package var durable: [LSN] { acks.compactMap { try? $0.outcome.get() } }

    package var errors: [StoreError] {
        acks.compactMap { ack in
            if case .failure(let error) = ack.outcome { error } else { nil }
        }
    }

    /// Blocks until `count` commands are acknowledged, one way or the other. Only for tests of the writer's thread.
    package func wait(for count: Int) {
        monitor.withLock {
            while acks.count < count { monitor.wait() }
        }
    }
}
