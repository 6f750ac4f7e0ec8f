import StepEvents
import StepLocks

/// Tests run side by side, and each engine has threads of its own: only a few may be open at once, or a small machine
/// spends its time on switching between hundreds of threads.
final class EngineSlots: Sendable {
    static let shared = EngineSlots(count: 8)

    private let free: Locked<Int>
    private let waiting = WaitList()

    init(count: Int) { free = Locked(count) }

    /// Waits for a slot.
    ///
    /// - Throws: `CancellationError`.
    func take() async throws {
        while !takeNow() { try await waiting.wait { [self] in free.withLock { $0 > 0 } } }
    }

    func giveBack() {
        free.withLock { $0 += 1 }
        waiting.changed()
    }

    private func takeNow() -> Bool {
        free.withLock { free in
            guard free > 0 else { return false }
            free -= 1
            return true
        }
    }
}
