import StepCore
import StepEvents
import StepLocks

/// A client's connection to an engine: made when it is needed, made again when it was lost, shared by all calls.
final class EngineLink: Sendable {
    private enum Phase {
        case idle
        case connecting
        case open(SocketChannel, frameLimit: Int)
        case closed
    }

    private struct Call {
        var request: SocketRequest
        var frame: [UInt8]
        var continuation: CheckedContinuation<SocketAnswer, any Error>

        /// Without the bytes, which the channel has now.
        var sent: Call { Call(request: request, frame: [], continuation: continuation) }
    }

    private struct State {
        var phase = Phase.idle
        var nextID: UInt64 = 1
        var calls: [UInt64: Call] = [:]
        /// What calls hold that wait for a connection.
        var waitingBytes = 0
        /// Attempts to connect since the last one that succeeded.
        var failures = 0
        /// Why the engine closed the connection, if it said so.
        var refusal: WireError?
    }

    /// Frames that wait for the connection or for the engine to read them.
    private static let sendLimit = 2 * Limits.recordBytes

    private let address: EngineAddress
    private let loop: PollLoop
    private let state = Locked(State())
    private let pause: ReconnectPause

    init(directory: String, pause: ReconnectPause) throws(SocketFailure) {
        address = EngineAddress(directory: directory)
        self.pause = pause
        loop = try PollLoop()
    }

    deinit { loop.stop() }

    /// Asks the engine. Cancelling the task ends the waiting, nothing else.
    func ask(_ request: SocketRequest) async throws -> SocketAnswer {
        let id = state.withLock { state in
            defer { state.nextID += 1 }
            return state.nextID
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let frame = FrameBuffer.framed(request.encoded(id: id))
                begin(id, Call(request: request, frame: frame, continuation: continuation))
                // The handler found nothing if it was called before.
                if Task.isCancelled { abandon(id) }
            }
        } onCancel: {
            abandon(id)
        }
    }

    /// Ends the connection; calls that wait and later ones fail.
    func close() {
        let calls = state.withLock { state in
            state.phase = .closed
            state.waitingBytes = 0
            defer { state.calls = [:] }
            return state.calls.values
        }
        for call in calls { call.continuation.resume(throwing: EngineStopped(reason: "the client was closed")) }
        loop.stop()
    }

    // MARK: Calls

    private func begin(_ id: UInt64, _ call: Call) {
        var connects = false
        let problem = state.withLock { state -> (any Error)? in
            switch state.phase {
            case .closed: return EngineStopped(reason: "the client was closed")
            case .open(let channel, let frameLimit):
                if let error = Self.send(call, over: channel, frameLimit) { return error }
                state.calls[id] = call.sent
            case .idle, .connecting:
                guard state.waitingBytes + call.frame.count <= Self.sendLimit else { return EngineBusy() }
                state.waitingBytes += call.frame.count
                state.calls[id] = call
                if case .idle = state.phase {
                    state.phase = .connecting
                    connects = true
                }
            }
            return nil
        }
        if let problem { return call.continuation.resume(throwing: problem) }
        if connects { connect() }
    }

    /// Sends a call; returns why that can't be.
    private static func send(_ call: Call, over channel: SocketChannel, _ frameLimit: Int) -> (any Error)? {
        let bytes = call.frame.count - 4
        guard bytes <= frameLimit else {
            return PayloadTooLarge(
                what: "the request to the engine (\(call.request.name))", bytes: bytes, limit: frameLimit)
        }
        return channel.send(call.frame) ? nil : EngineBusy()
    }

    private func abandon(_ id: UInt64) {
        let (call, channel) = state.withLock { state -> (Call?, SocketChannel?) in
            guard let call = state.calls.removeValue(forKey: id) else { return (nil, nil) }
            guard case .open(let channel, _) = state.phase else {
                state.waitingBytes -= call.frame.count
                return (call, nil)
            }
            return (call, channel)
        }
        // Without room for it the answer comes, and nobody minds.
        _ = channel?.send(FrameBuffer.framed(SocketRequest.abandon(id).encoded(id: id)))
        call?.continuation.resume(throwing: CancellationError())
    }

    // MARK: The connection

    private func connect() {
        let started = EngineThread.start { [self] in
            pause.beforeConnecting(state.withLock { $0.failures })
            do throws(EngineAddress.Problem) {
                connected(try address.connect())
            } catch {
                notConnected(error)
            }
        }
        if !started { notConnected(.absent(reason: "this process has no thread left", pid: nil)) }
    }

    private func connected(_ connection: EngineAddress.Connection) {
        let channel = SocketChannel(
            connection.descriptor, loop: loop, frameLimit: Limits.recordBytes + 2 * WireText.limit,
            sendLimit: Self.sendLimit)
        let unsent = state.withLock { state -> [(Call, any Error)] in
            guard case .connecting = state.phase else { return [] }
            state.phase = .open(channel, frameLimit: connection.frameLimit)
            state.failures = 0
            state.waitingBytes = 0
            state.refusal = nil
            return state.calls.keys.sorted().compactMap { id in
                guard let call = state.calls[id] else { return nil }
                let error = Self.send(call, over: channel, connection.frameLimit)
                state.calls[id] = error == nil ? call.sent : nil
                guard let error else { return nil }
                return (call, error)
            }
        }
        for (call, error) in unsent { call.continuation.resume(throwing: error) }
        // Closed meanwhile, the loop has stopped and ends the channel at once.
        channel.open(
            SocketChannel.Owner(
                received: { [weak self, weak channel] frame in self?.received(frame, channel) },
                receivedTooLarge: { [weak channel] _ in channel?.close() },
                ended: { [weak self] in self?.ended() }))
    }

    private func notConnected(_ problem: EngineAddress.Problem) {
        let calls = state.withLock { state -> [Call] in
            guard case .connecting = state.phase else { return [] }
            state.phase = .idle
            state.failures += 1
            state.waitingBytes = 0
            defer { state.calls = [:] }
            return Array(state.calls.values)
        }
        for call in calls {
            switch problem {
            case .refused(let error): call.continuation.resume(throwing: error.error)
            case .absent(let reason, let pid):
                call.continuation.resume(
                    throwing: EngineUnreachable(
                        operation: call.request.name, path: address.directory, pid: pid, reason: reason,
                        mayHaveHappened: false))
            }
        }
    }

    private func received(_ frame: [UInt8], _ channel: SocketChannel?) {
        let (id, answer): (UInt64, SocketAnswer)
        do {
            (id, answer) = try SocketAnswer.decode(frame)
        } catch {
            let message = "an answer of the engine can't be read: \(error)"
            state.withLock { $0.refusal = WireError(.protocolBroken, message) }
            channel?.close()
            return
        }
        if id == SocketAnswer.connection {
            if case .failed(let error) = answer { state.withLock { $0.refusal = error } }
            return
        }
        // Else it was abandoned.
        guard let call = state.withLock({ $0.calls.removeValue(forKey: id) }) else { return }
        switch answer {
        case .failed(let error) where error.code == WireError.Code.engineLeft.rawValue:
            call.continuation.resume(throwing: lost(call, error.message, address.pid))
        case .failed(let error): call.continuation.resume(throwing: error.error)
        default: call.continuation.resume(returning: answer)
        }
    }

    private func ended() {
        let (calls, refusal) = state.withLock { state -> ([Call], WireError?) in
            guard case .open = state.phase else { return ([], nil) }
            state.phase = .idle
            defer { state.calls = [:] }
            return (Array(state.calls.values), state.refusal)
        }
        guard !calls.isEmpty else { return }
        let pid = address.pid
        for call in calls {
            if let refusal {
                call.continuation.resume(throwing: refusal.error)
            } else {
                call.continuation.resume(throwing: lost(call, "the connection was closed", pid))
            }
        }
    }

    private func lost(_ call: Call, _ reason: String, _ pid: Int32?) -> EngineUnreachable {
        EngineUnreachable(
            operation: call.request.name, path: address.directory, pid: pid, reason: reason, mayHaveHappened: true)
    }
}
