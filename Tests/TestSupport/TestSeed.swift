import Foundation

/// The seed of a test run: `STEPKIT_SEED` of the environment, or one drawn anew for each process and printed.
package enum TestSeed {
    /// The seed that everything random in a test run derives from.
    package static let value: UInt64 = {
        if let text = ProcessInfo.processInfo.environment["STEPKIT_SEED"], let seed = UInt64(text) { return seed }
        // The standard library draws its hash seed once for each process; nothing else here may read randomness.
        var hasher = Hasher()
        hasher.combine(ProcessInfo.processInfo.processIdentifier)
        let seed = UInt64(UInt32(truncatingIfNeeded: hasher.finalize()))
        print("STEPKIT_SEED=\(seed)")
        return seed
    }()

    /// The command that repeats a test with a seed.
    package static func command(_ test: String, seed: UInt64 = value) -> String {
        "STEPKIT_SEED=\(seed) swift test --disable-xctest --filter \(test)"
    }
}
