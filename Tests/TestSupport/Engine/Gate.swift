import StepEvents
import StepLocks

/// Holds tasks back until a test lets them go.
package final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var arrivals = 0
    }

    private let state = Locked(State())
    private let waiting = WaitList()

    package init() {}

    /// Waits until the gate is open, whatever becomes of the task.
    package func pass() async {
        arrive()
        do { try await waiting.wait(cancellable: false) { [self] in isOpen } } catch { return }
    }

    /// Waits until the gate is open or the task is cancelled.
    ///
    /// - Throws: `CancellationError`.
    package func passOrCancel() async throws {
        arrive()
        try await waiting.wait { [self] in isOpen }
    }

    package func open() { change { $0.isOpen = true } }
    package func close() { change { $0.isOpen = false } }

    /// How many tasks have come here so far.
    package var arrivals: Int { state.withLock { $0.arrivals } }

    /// Waits until so many tasks have come here.
    package func reached(_ count: Int = 1) async throws {
        try await waiting.wait { [self] in arrivals >= count }
    }

    private var isOpen: Bool { state.withLock { $0.isOpen } }

    private func arrive() { change { $0.arrivals += 1 } }

    private func change(_ change: (inout State) -> Void) {
        state.withLock { change(&$0) }
        waiting.changed()
    }
}
