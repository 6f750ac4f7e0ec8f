import StepEvents
import StepLocks

/// The system's random numbers. The only file of this module that reads them.
package final class SystemRandomness: EngineRandomness {
    private let generator = Locked(SystemRandomNumberGenerator())

    package init() {}

    package func next() -> UInt64 { generator.withLock { $0.next() } }
}
