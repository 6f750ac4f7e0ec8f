import Foundation

/// Where the random numbers of these tests begin, and how long their loops run.
///
/// The only file of these tests that draws system randomness: a long run must not repeat the short one.
enum Seeds {
    private static let environment = ProcessInfo.processInfo.environment

    /// `make soak` sets it. The loops then go on with further seeds until the time is up.
    static let soakMinutes = environment["STEPKIT_SOAK_MINUTES"].flatMap(Double.init)

    /// `STEPKIT_SEED`, a new one in a long run, else always the same.
    static let first: UInt64 =
        environment["STEPKIT_SEED"].flatMap(UInt64.init)
        ?? (soakMinutes == nil ? 1 : UInt64.random(in: 1..<1 << 48, using: &system))

    nonisolated(unsafe) private static var system = SystemRandomNumberGenerator()  // used once, by a lazy static

    /// What repeats a failure.
    static func repeating(_ seed: UInt64, _ suite: String) -> String {
        "SEED=\(seed), repeat by: STEPKIT_SEED=\(seed) swift test --disable-xctest --filter CrashTests.\(suite)"
    }
}

/// Calls `round` with one seed; in a long run with one after the other until this loop's share of the time is up.
func forSeeds(share: Double, _ round: (UInt64) async throws -> Void) async rethrows {
    let began = WorkerProcess.now
    var seed = Seeds.first
    repeat {
        try await round(seed)
        seed += 1
    } while Double(WorkerProcess.now - began) < (Seeds.soakMinutes ?? 0) * share * 60e9
}

/// Does jobs 0, 1, 2 … on two threads that may wait, until one says that there are no more, and hands out the first
/// error.
func onTwoThreads(_ job: @escaping @Sendable (Int) throws -> Bool) async throws {
    let lanes = Lanes(job)
    await withCheckedContinuation { continuation in
        DispatchQueue.global().async {
            DispatchQueue.concurrentPerform(iterations: 2) { _ in lanes.work() }
            continuation.resume()
        }
    }
    if let error = lanes.error { throw error }
}

/// `@unchecked Sendable`: `lock` guards what changes.
private final class Lanes: @unchecked Sendable {
    private let lock = NSLock()
    private let job: @Sendable (Int) throws -> Bool
    private var next = 0
    private var isOver = false
    private var failure: (any Error)?

    var error: (any Error)? { lock.withLock { failure } }

    init(_ job: @escaping @Sendable (Int) throws -> Bool) { self.job = job }

    func work() {
        while let number = take() {
            do {
                if try !job(number) { lock.withLock { isOver = true } }
            } catch {
                lock.withLock {
                    failure = failure ?? error
                    isOver = true
                }
            }
        }
    }

    private func take() -> Int? {
        lock.withLock {
            guard !isOver else { return nil }
            next += 1
            return next - 1
        }
    }
}
