import StepEngine
import StepEvents
import StepLocks

/// The engine's randomness from a seed, so that a test draws the same run ids and seeds each time.
package final class SeededRandomness: EngineRandomness {
    private let generator: Locked<SeededGenerator>

    package init(seed: UInt64) { generator = Locked(SeededGenerator(seed: seed)) }

    package func next() -> UInt64 { generator.withLock { $0.next() } }
}
