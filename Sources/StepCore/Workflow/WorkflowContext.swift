public import Logging
public import StepEvents

#if canImport(FoundationEssentials)
    public import FoundationEssentials
#else
    public import Foundation
#endif

/// What a workflow function knows of its run, and the clock and randomness that replay alike.
public struct WorkflowContext<Input: Sendable>: Sendable {
    /// What the run was started with, as decoding the stored bytes gives it.
    public let input: Input
    let runtime: any StepRuntime

    init(input: Input, runtime: any StepRuntime) {
        self.input = input
        self.runtime = runtime
    }

    /// The run.
    public var runID: RunID { runtime.run.id }

    /// The id that the run was started with, if it was given one.
    public var key: String? { runtime.run.key }

    /// The version of the workflow that the run was started with.
    public var version: Int { Int(runtime.run.version) }

    /// The time of the last thing that happened to the run, the same on every replay. Use this, not the clock.
    public var now: Timestamp { runtime.now }

    /// ``now`` as a `Date`.
    public var date: Date { Date(timeIntervalSince1970: Double(runtime.now.nanoseconds) / 1e9) }

    /// A generator that draws the same numbers on every replay.
    public var random: WorkflowRandom { WorkflowRandom(runtime: runtime, scope: "") }

    /// A random UUID that is the same on every replay.
    ///
    /// - Returns: a UUID version 4.
    public func uuid() -> UUID {
        let high = runtime.draw(in: "") & 0xFFFF_FFFF_FFFF_0FFF | 0x4000
        let low = runtime.draw(in: "") & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        return withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { bytes in
            UUID(uuid: bytes.loadUnaligned(as: uuid_t.self))
        }
    }

    /// Whether the function is being replayed, up to what was recorded before. For what must not be done twice, like
    /// writing to a log of your own; never to choose which steps to ask for.
    public var isReplaying: Bool { runtime.isReplaying }

    /// Carries the run's id; silent while the run is replayed.
    public var logger: Logger { runtime.logger }

    /// Returns once everything that the function has seen is durable. Between steps the function may run ahead of the
    /// log; wait where something outside a step must not rest on what a crash could take back.
    ///
    /// - Throws: ``RunUnwinding`` while the run leaves memory.
    public func durable() async throws { try await runtime.durable() }

    /// Runs work outside of steps that takes long, and keeps the run in memory meanwhile. Such work may be cut off by
    /// a crash, and runs again afterwards.
    ///
    /// - Parameters:
    ///   - label: names the work in what is reported about the run.
    ///   - body: the work.
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws.
    public func outside<Result>(_ label: String, _ body: () async throws -> Result) async rethrows -> Result {
        runtime.enterOutside(label)
        defer { runtime.leaveOutside(label) }
        return try await body()
    }
}

/// Draws from the generator of a scope: the same numbers on every replay, moved on by nothing but draws.
public struct WorkflowRandom: RandomNumberGenerator, Sendable {
    let runtime: any StepRuntime
    let scope: String

    /// The next 64 bits.
    ///
    /// - Returns: a uniformly distributed number.
    public mutating func next() -> UInt64 { runtime.draw(in: scope) }
}

extension Step {
    /// A generator of this scope's own, for draws in parallel branches: it draws the same numbers on every replay,
    /// whatever other branches draw.
    public var random: WorkflowRandom { WorkflowRandom(runtime: runtime, scope: scope) }
}
