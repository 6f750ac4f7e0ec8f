import Glibc
package import Logging
import StepCore
import StepEvents

/// Answers other processes through a socket.
///
/// Its thread takes connections and frames; each request is answered by a task of its own, so that one that waits does
/// not hold up others.
package final class SocketServer: Sendable {
    package struct Settings: Sendable {
        /// More clients than that are refused.
        package var connections = 256
        /// Requests of one client that are being answered; more are refused as busy.
        package var requests = 16_384
        /// The largest payload that is taken.
        package var payloadLimit = Limits.defaultPayloadBytes
        /// What may wait to be read by one client. One that lets more pile up is disconnected.
        package var sendLimit = 2 * Limits.recordBytes

        /// The largest frame that is taken: beside its payload it has texts, each within its bound.
        package var frameLimit: Int { payloadLimit + 2 * WireText.limit }

        package init() {}
    }

    /// Answers a request. Called on the cooperative pool, so it must not block.
    package typealias Handler = @Sendable (SocketRequest) async throws -> SocketAnswer

    package let place: SocketPlace
    private let loop: PollLoop

    /// Takes over the socket, also where it throws because the system has no thread or descriptor left.
    package init(
        _ socket: ListeningSocket, settings: Settings, logger: Logger, handler: @escaping Handler
    ) throws(SocketFailure) {
        place = socket.place
        let listener = PollLoop.Listener(socket: socket) { descriptor, loop in
            guard loop.connections < settings.connections else {
                logger.warning("a client was refused", metadata: ["connections": "\(settings.connections)"])
                let error = WireError(.tooManyConnections, "the engine has \(settings.connections) clients already")
                let frame = FrameBuffer.framed(SocketAnswer.failed(error).encoded(id: SocketAnswer.connection))
                _ = SocketCalls.send(descriptor, frame[...])
                close(descriptor)
                return
            }
            let channel = SocketChannel(
                descriptor, loop: loop, frameLimit: Handshake.limit, sendLimit: settings.sendLimit)
            ServerConnection(channel, settings: settings, logger: logger, handler: handler).open()
        }
        do {
            loop = try PollLoop(listener: listener)
        } catch {
            socket.removeFile()
            close(socket.descriptor)
            throw error
        }
    }

    deinit { loop.stop() }

    /// Disconnects every client and removes the socket. Waits for its thread: not on the cooperative pool.
    package func stop() {
        loop.stop()
        loop.waitForEnd()
    }
}
