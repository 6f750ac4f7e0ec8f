import Glibc
import StepLocks
import StepLog
import Synchronization

/// One thread that waits for all connections at once, so that nobody's slowness is another's.
final class PollLoop: Sendable {
    /// Who listens, and what becomes of a connection that is taken.
    struct Listener: Sendable {
        var socket: ListeningSocket
        var accepted: @Sendable (_ descriptor: Int32, _ loop: PollLoop) -> Void
    }

    private struct State {
        var channels: [SocketChannel] = []
        var listener: Listener?
        var isStopped = false
    }

    /// Connections taken in a row before those that are there have their turn.
    private static let acceptsInARow = 64
    /// How long nobody is taken when the process has no descriptor left, in ms.
    private static let pauseWithoutDescriptors: Int32 = 100

    private let state: Locked<State>
    private let isWoken = Atomic<Bool>(false)
    private let monitor = Monitor()
    private let isOver = Atomic<Bool>(false)
    /// A byte in one end wakes the thread, which waits at the other.
    private let wakeEnds: (thread: Int32, others: Int32)

    init(listener: Listener? = nil) throws(SocketFailure) {
        let (thread, others) = try SocketCalls.makePair()
        wakeEnds = (thread, others)
        state = Locked(State(listener: listener))
        guard EngineThread.start({ [self] in run() }) else {
            throw SocketFailure("start a thread", EAGAIN)
        }
    }

    deinit {
        close(wakeEnds.thread)
        close(wakeEnds.others)
    }

    var connections: Int { state.withLock { $0.channels.count } }

    func add(_ channel: SocketChannel) {
        let isLate = state.withLock { state in
            if !state.isStopped { state.channels.append(channel) }
            return state.isStopped
        }
        if isLate { channel.end() } else { wake() }
    }

    func wake() {
        guard !isWoken.exchange(true, ordering: .acquiringAndReleasing) else { return }
        _ = SocketCalls.send(wakeEnds.others, [1])
    }

    /// Closes every connection and ends the thread.
    func stop() {
        state.withLock { $0.isStopped = true }
        wake()
    }

    /// Waits until the thread has ended: not on the cooperative pool.
    func waitForEnd() {
        monitor.withLock {
            while !isOver.load(ordering: .acquiring) { monitor.wait() }
        }
    }

    // MARK: The thread

    private func run() {
        var accepts = true
        while !state.withLock({ $0.isStopped }) {
            let (channels, listener) = state.withLock { ($0.channels, $0.listener) }
            var wants: [pollfd] = [pollfd(fd: wakeEnds.thread, events: Int16(POLLIN), revents: 0)]
            // A negative descriptor is passed over.
            wants.append(
                pollfd(fd: accepts ? listener?.socket.descriptor ?? -1 : -1, events: Int16(POLLIN), revents: 0))
            var over: [ObjectIdentifier] = []
            for channel in channels {
                let interest = channel.interest
                if interest == nil { over.append(ObjectIdentifier(channel)) }
                wants.append(pollfd(fd: interest == nil ? -1 : channel.descriptor, events: interest ?? 0, revents: 0))
            }
            let timeout = !over.isEmpty ? 0 : accepts ? -1 : Self.pauseWithoutDescriptors
            let ready = poll(&wants, nfds_t(wants.count), timeout)
            accepts = true
            if ready > 0 {
                if wants[0].revents != 0 { hearWake() }
                if wants[1].revents != 0, let listener { accepts = accept(listener) }
                for (channel, want) in zip(channels, wants.dropFirst(2)) where want.revents != 0 {
                    if !channel.serve(want.revents) { over.append(ObjectIdentifier(channel)) }
                }
            }
            if !over.isEmpty { end(Set(over)) }
        }
        finish()
    }

    private func hearWake() {
        withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { buffer in
            while case .bytes = SocketCalls.receive(wakeEnds.thread, into: buffer) {}
        }
        // In this order: a byte that is taken here after the next waker had sent it would be missed for ever. Who finds
        // the flag still set has changed what the thread looks at next.
        _ = isWoken.exchange(false, ordering: .acquiringAndReleasing)
    }

    /// Returns false when the process can't take more connections for now.
    private func accept(_ listener: Listener) -> Bool {
        for _ in 0..<Self.acceptsInARow {
            guard let descriptor = SocketCalls.accept(listener.socket.descriptor) else {
                return errno == EAGAIN || errno == EWOULDBLOCK
            }
            listener.accepted(descriptor, self)
        }
        return true
    }

    private func end(_ over: Set<ObjectIdentifier>) {
        let ended = state.withLock { state in
            let ended = state.channels.filter { over.contains(ObjectIdentifier($0)) }
            state.channels.removeAll { over.contains(ObjectIdentifier($0)) }
            return ended
        }
        for channel in ended { channel.end() }
    }

    private func finish() {
        let (channels, listener) = state.withLock { state in
            defer { (state.channels, state.listener) = ([], nil) }
            return (state.channels, state.listener)
        }
        if let listener {
            // The file first: who finds it must find someone who listens.
            listener.socket.removeFile()
            close(listener.socket.descriptor)
        }
        for channel in channels {
            _ = channel.flush()
            channel.end()
        }
        monitor.withLock {
            isOver.store(true, ordering: .releasing)
            monitor.broadcast()
        }
    }
}
