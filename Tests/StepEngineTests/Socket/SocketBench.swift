import Logging
import StepCore
import StepEngine
import StepEvents
import StepKit
import StepLocks
import TestSupport

/// Opens a client of an engine's socket with a test's own pauses.
struct SocketDriver: Driver {
    var directory: String
    var pause = ReconnectPause(beforeConnecting: { _ in }, beforeAskingAgain: { _ in false })

    func open(_ options: ClientOptions) async throws -> any DriverSession {
        try SocketSession(directory: directory, pause: pause)
    }
}

extension ReconnectPause {
    /// Asks again whenever the gate is open.
    static func at(_ gate: Gate) -> ReconnectPause {
        ReconnectPause(
            beforeConnecting: { _ in },
            beforeAskingAgain: { _ in
                try await gate.passOrCancel()
                return true
            })
    }
}

/// A client of the engine in `directory` which gives up as soon as there is none.
func socketClient(
    _ directory: String, pause: ReconnectPause? = nil, configure: (inout ClientOptions) -> Void = { _ in }
) async throws -> Client {
    var driver = SocketDriver(directory: directory)
    if let pause { driver.pause = pause }
    return try await Client(id: "web", driver: driver, configure: configure)
}

/// A server whose answers a test makes, in a directory that stands for a store's.
final class SocketBench: Sendable {
    let directory: TemporaryDirectory
    let logs = LogRecorder()
    private let server: Locked<SocketServer?>

    init(
        configure: (inout SocketServer.Settings) -> Void = { _ in }, handler: @escaping SocketServer.Handler
    ) throws {
        directory = try TemporaryDirectory()
        var settings = SocketServer.Settings()
        configure(&settings)
        let socket = try ListeningSocket(at: SocketPlace(path: directory.appending("engine.sock")))
        server = Locked(try SocketServer(socket, settings: settings, logger: logs.logger, handler: handler))
    }

    var path: String { directory.appending("engine.sock") }

    func session(pause: ReconnectPause? = nil) throws -> SocketSession {
        try SocketSession(
            directory: directory.path,
            pause: pause ?? ReconnectPause(beforeConnecting: { _ in }, beforeAskingAgain: { _ in false }))
    }

    func stop() async {
        let server = server.withLock { server in
            defer { server = nil }
            return server
        }
        await offPoolWithoutError { server?.stop() }
    }
}

/// A run id that means nothing.
let someRun = RunID(high: 0x0123_4567_89AB_7DEF, low: 0x8123_4567_89AB_CDEF)
