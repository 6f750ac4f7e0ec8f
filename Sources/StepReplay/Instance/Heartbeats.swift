import StepCore
import StepEvents

/// What a body tells of its progress, and who waits for that to be durable.
package struct Heartbeat: Sendable {
    let call: StepCall
    let attempt: UInt32
    let details: Payload
    let continuation: UnsafeContinuation<UInt32, any Error>

    func refuse(_ error: any Error) { continuation.resume(throwing: error) }
}

/// Heartbeats that were accepted and are not durable yet. Each is answered once, by its commit, by the end of its
/// attempt, or by the end of the execution, whichever comes first.
struct WaitingHeartbeats {
    private var waiting: [(sequence: UInt32, heartbeat: Heartbeat)] = []

    mutating func append(_ heartbeat: Heartbeat, sequence: UInt32) { waiting.append((sequence, heartbeat)) }

    mutating func committed(through sequence: UInt32) {
        guard !waiting.isEmpty else { return }
        waiting.removeAll { waiter in
            guard waiter.sequence <= sequence else { return false }
            waiter.heartbeat.continuation.resume(returning: waiter.sequence)
            return true
        }
    }

    /// The attempt is cancelled: its body need not wait for the disk to hear of it.
    mutating func cancel(_ call: StepCall, attempt: UInt32) {
        waiting.removeAll { waiter in
            guard waiter.heartbeat.call === call, waiter.heartbeat.attempt <= attempt else { return false }
            waiter.heartbeat.refuse(CancellationError())
            return true
        }
    }

    mutating func refuseAll(_ error: any Error) {
        for waiter in waiting { waiter.heartbeat.refuse(error) }
        waiting = []
    }
}
