import Glibc
import StepLocks

/// One connection: frames in, frames out, on the thread of its loop.
///
/// Only that thread reads, writes and closes the descriptor; frames may be queued from anywhere.
final class SocketChannel: Sendable {
    /// What becomes of what arrives. Called on the loop's thread, which must not wait.
    struct Owner: Sendable {
        var received: @Sendable ([UInt8]) -> Void
        /// The other side sent a frame larger than is taken. The channel reads nothing more.
        var receivedTooLarge: @Sendable (FrameBuffer.TooLarge) -> Void
        /// Nothing more arrives and nothing more is sent. Once, and last.
        var ended: @Sendable () -> Void
    }

    private struct Outgoing {
        var queue: SendQueue
        var closes = false
        /// Closes once all is sent.
        var finishes = false
        var pausesReading = false
    }

    /// How much is read at once, and how often in a row, before others have their turn.
    private static let chunk = 1 << 16
    private static let chunksInARow = 4

    let descriptor: Int32
    private let loop: PollLoop
    private let outgoing: Locked<Outgoing>
    /// Only the loop's thread uses these; the locks are for the compiler.
    private let incoming: Locked<FrameBuffer>
    private let owner = Locked<Owner?>(nil)

    /// Takes over the descriptor.
    init(_ descriptor: Int32, loop: PollLoop, frameLimit: Int, sendLimit: Int) {
        self.descriptor = descriptor
        self.loop = loop
        outgoing = Locked(Outgoing(queue: SendQueue(limit: sendLimit)))
        incoming = Locked(FrameBuffer(limit: frameLimit))
    }

    /// Begins to read.
    func open(_ owner: Owner) {
        self.owner.withLock { $0 = owner }
        loop.add(self)
    }

    /// Takes frames up to another size from now on.
    func setFrameLimit(_ bytes: Int) { incoming.withLock { $0.limit = bytes } }

    /// Queues a frame; returns false when there is no room for it or the channel closes.
    func send(_ frame: [UInt8]) -> Bool {
        let (isTaken, wakes) = outgoing.withLock { outgoing -> (Bool, Bool) in
            guard !outgoing.closes, !outgoing.finishes else { return (false, false) }
            let wasEmpty = outgoing.queue.isEmpty
            return (outgoing.queue.append(frame), wasEmpty)
        }
        if isTaken, wakes { loop.wake() }
        return isTaken
    }

    /// Closes, now or once all that is queued has been sent.
    func close(afterSending: Bool = false) {
        outgoing.withLock { outgoing in
            if afterSending { outgoing.finishes = true } else { outgoing.closes = true }
        }
        loop.wake()
    }

    /// Leaves what arrives in the system's buffers, so that the other side has to wait.
    func pauseReading(_ pauses: Bool) {
        let changes = outgoing.withLock { outgoing in
            defer { outgoing.pausesReading = pauses }
            return outgoing.pausesReading != pauses
        }
        if changes { loop.wake() }
    }

    // MARK: On the loop's thread

    /// What to wait for; `nil` when it is to be closed.
    var interest: Int16? {
        outgoing.withLock { outgoing in
            if outgoing.closes || (outgoing.finishes && outgoing.queue.isEmpty) { return nil }
            let reads = !outgoing.pausesReading && !outgoing.finishes
            return Int16(reads ? POLLIN : 0) | Int16(outgoing.queue.isEmpty ? 0 : POLLOUT)
        }
    }

    /// Reads and writes what can be; returns false when the connection is over.
    func serve(_ events: Int16) -> Bool {
        if events & Int16(POLLOUT) != 0, !flush() { return false }
        let isBroken = events & Int16(POLLHUP | POLLERR | POLLNVAL) != 0
        guard events & Int16(POLLIN) != 0 || isBroken else { return true }
        let reads = outgoing.withLock { !$0.pausesReading && !$0.finishes }
        // What the other side sent before it went away is still to be read.
        return reads ? read() : !isBroken
    }

    func flush() -> Bool {
        outgoing.withLock { $0.queue.drain { SocketCalls.send(descriptor, $0) } }
    }

    private func read() -> Bool {
        for _ in 0..<Self.chunksInARow {
            let received = incoming.withLock { incoming -> SocketCalls.Received in
                withUnsafeTemporaryAllocation(byteCount: Self.chunk, alignment: 1) { buffer in
                    let received = SocketCalls.receive(descriptor, into: buffer)
                    if case .bytes(let count) = received {
                        incoming.append(UnsafeRawBufferPointer(rebasing: buffer.prefix(count)))
                    }
                    return received
                }
            }
            switch received {
            case .ended: return false
            case .nothingYet: return true
            case .bytes(let count):
                handOver()
                if count < Self.chunk { return true }
            }
            // A frame may have been the last that is wanted for now.
            guard interest.map({ $0 & Int16(POLLIN) != 0 }) ?? false else { return true }
        }
        return true
    }

    private func handOver() {
        guard let owner = owner.withLock({ $0 }) else { return }
        do {
            while let frame = try incoming.withLock({ incoming throws(FrameBuffer.TooLarge) in try incoming.next() }) {
                owner.received(frame)
                if outgoing.withLock({ $0.closes || $0.finishes }) { return }
            }
        } catch {
            owner.receivedTooLarge(error)
        }
    }

    /// Ends the connection for both sides, also for a program that inherited it.
    func end() {
        outgoing.withLock { $0.closes = true }
        shutdown(descriptor, Int32(SHUT_RDWR))
        Glibc.close(descriptor)
        let owner = owner.withLock { owner in
            defer { owner = nil }
            return owner
        }
        owner?.ended()
    }
}
