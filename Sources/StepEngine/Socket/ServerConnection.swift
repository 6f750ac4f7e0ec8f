import Logging
import StepCore
import StepEvents
import StepLocks

/// One client of the engine's socket: its greeting, its requests, their answers.
final class ServerConnection: Sendable {
    private struct Request {
        /// What the request holds in memory until it is answered.
        var bytes: Int
        var isWait: Bool
        /// `nil` for a moment, while it begins.
        var task: Task<Void, Never>?
        var isAbandoned = false
    }

    private struct State {
        var isGreeted = false
        var isOver = false
        var requests: [UInt64: Request] = [:]
        var bytes = 0
    }

    private let channel: SocketChannel
    private let settings: SocketServer.Settings
    private let logger: Logger
    private let handler: SocketServer.Handler
    private let state = Locked(State())

    init(
        _ channel: SocketChannel, settings: SocketServer.Settings, logger: Logger,
        handler: @escaping SocketServer.Handler
    ) {
        self.channel = channel
        self.settings = settings
        self.logger = logger
        self.handler = handler
    }

    /// Begins to listen to the client; the channel keeps the connection from here on.
    func open() {
        channel.open(
            SocketChannel.Owner(
                received: { [self] in received($0) },
                receivedTooLarge: { [self] in
                    refuse(.protocolBroken, "a frame of \($0.bytes) bytes, more than the \($0.limit) allowed")
                },
                ended: { [self] in ended() }))
    }

    // MARK: On the loop's thread

    private func received(_ frame: [UInt8]) {
        guard state.withLock({ $0.isGreeted }) else { return greet(frame) }
        let (id, request): (UInt64, SocketRequest)
        do {
            (id, request) = try SocketRequest.decode(frame)
        } catch {
            return refuse(.protocolBroken, "a request can't be read: \(error)")
        }
        if case .abandon(let other) = request { return abandon(other) }
        guard id != SocketAnswer.connection else { return refuse(.protocolBroken, "a request with the id 0") }
        begin(id, request, bytes: request.isWait ? 0 : frame.count)
    }

    private func greet(_ frame: [UInt8]) {
        do {
            let versions = try Handshake.readHello(frame)
            guard versions.contains(Handshake.version) else {
                return refuse(
                    .versionUnknown,
                    "the client speaks versions \(versions) of the protocol, the engine \(Handshake.version): "
                        + "let both processes use the same version of the library")
            }
        } catch {
            return refuse(.protocolBroken, "the greeting can't be read: \(error)")
        }
        state.withLock { $0.isGreeted = true }
        channel.setFrameLimit(settings.frameLimit)
        if !channel.send(FrameBuffer.framed(Handshake.welcome(frameLimit: settings.frameLimit))) { channel.close() }
    }

    /// Says why, and closes.
    private func refuse(_ code: WireError.Code, _ message: String) {
        logger.warning("a client of the socket is disconnected", metadata: ["reason": "\(message)"])
        send(.failed(WireError(code, message)), to: SocketAnswer.connection)
        channel.close(afterSending: true)
    }

    private func begin(_ id: UInt64, _ request: SocketRequest, bytes: Int) {
        enum Verdict { case begins, isBusy, isTaken }
        let verdict = state.withLock { state -> Verdict in
            guard state.requests[id] == nil else { return .isTaken }
            guard state.requests.count < settings.requests else { return .isBusy }
            state.requests[id] = Request(bytes: bytes, isWait: request.isWait, task: nil)
            state.bytes += bytes
            return .begins
        }
        switch verdict {
        case .isTaken: return refuse(.protocolBroken, "two requests with the id \(id)")
        case .isBusy: return send(.failed(WireError(EngineBusy())), to: id)
        case .begins: break
        }
        updateReading()
        let task = Task { [self] in
            let answer: SocketAnswer
            do {
                answer = try await handler(request)
            } catch {
                answer = .failed(WireError(error))
            }
            finish(id, answer)
        }
        let isAbandoned = state.withLock { state in
            state.requests[id]?.task = task
            return state.requests[id]?.isAbandoned ?? false
        }
        if isAbandoned { task.cancel() }
    }

    /// The client no longer waits. What a request does to runs is done all the same.
    private func abandon(_ id: UInt64) {
        let task = state.withLock { state -> Task<Void, Never>? in
            guard state.requests[id]?.isWait == true else { return nil }
            state.requests[id]?.isAbandoned = true
            return state.requests[id]?.task
        }
        task?.cancel()
    }

    private func ended() {
        let waits = state.withLock { state in
            state.isOver = true
            return state.requests.values.filter(\.isWait).compactMap(\.task)
        }
        for task in waits { task.cancel() }
    }

    // MARK: Anywhere

    private func finish(_ id: UInt64, _ answer: SocketAnswer) {
        let isWanted = state.withLock { state in
            guard let request = state.requests.removeValue(forKey: id) else { return false }
            state.bytes -= request.bytes
            return !request.isAbandoned && !state.isOver
        }
        if isWanted { send(answer, to: id) }
        updateReading()
    }

    /// Leaves further requests unread while those at hand hold more than two of the largest: whoever sends faster than
    /// the disk writes has to wait, not to fill the memory.
    private func updateReading() {
        channel.pauseReading(state.withLock { $0.bytes } > 2 * settings.frameLimit)
    }

    private func send(_ answer: SocketAnswer, to id: UInt64) {
        if channel.send(FrameBuffer.framed(answer.encoded(id: id))) { return }
        guard !state.withLock({ $0.isOver }) else { return }
        // Closing, or too much waits for a client that does not read it.
        logger.warning("a client of the socket is disconnected: it does not read its answers")
        channel.close()
    }
}
