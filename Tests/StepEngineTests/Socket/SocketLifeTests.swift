import Glibc
import StepCore
import StepEngine
import StepKit
import StepLog
import TestSupport
import Testing

/// Engines that are not there, go away and come back, and where they listen.
@Suite("The life of an engine's socket", .timeLimit(.minutes(5)))
struct SocketLifeTests {
    private func echo(_ client: Client) -> Workflow<String, String> {
        client.workflow("echo", input: String.self) { context, step in
            if context.input == "wait" { _ = try await step.waitForSignal("wait", signal: "go", as: Int.self) }
            return context.input
        }
    }

    /// Requests are begun in order, so after the answers to some later ones the engine is busy with an earlier one.
    private func settle(_ flow: Workflow<String, String>) async throws {
        for _ in 0..<10 { _ = try await flow.run(id: "settle") }
    }

    @Test("Without an engine calls say so, and they work once there is one")
    func noEngine() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.appending("store")
        let web = try await socketClient(path)
        let flow = echo(web)
        let missing = await #expect(throws: EngineUnreachable.self) { try await flow.start("a") }
        #expect(missing?.pid == nil)
        #expect(missing?.isRetryable == true)
        #expect(missing?.mayHaveHappened == false)
        #expect(missing.map { "\($0)".contains("Start the process") } == true)
        await #expect(throws: EngineUnreachable.self) { try await web.cancel(someRun) }
        try await Client.withClient(id: "worker", driver: .lmdb(path: path)) { engine in
            _ = echo(engine)
            let output = try await flow.start("a").result()
            #expect(output == "a")
        }
        let gone = await #expect(throws: EngineUnreachable.self) { try await flow.run(id: "a") }
        #expect(gone?.pid == getpid())
        await web.close()
    }

    @Test("An engine that is open but executes nothing takes starts, and says that it brings no results")
    func idleEngine() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.appending("store")
        let engine = try await Client(id: "worker", driver: .lmdb(path: path))
        _ = echo(engine)
        let web = try await socketClient(path)
        let run = try await echo(web).start("a")
        await #expect(throws: EngineNotRunning.self) { try await run.result() }
        await #expect(throws: EngineNotRunning.self) { try await web.signal("go", 1) }
        let running = Task { try await engine.run() }
        #expect(try await engine.workflow("echo2", input: Int.self) { _, _ in 1 }.run(id: "none") == nil)
        running.cancel()
        try await running.value
        await engine.close()
        await web.close()
    }

    @Test("A result that is waited for survives a restart of the engine")
    func restart() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.appending("store")
        let gate = Gate()
        let web = try await socketClient(path, pause: .at(gate))
        let flow = echo(web)
        var run: Run<String>?
        var result: Task<String, any Error>?
        try await Client.withClient(id: "worker", driver: .lmdb(path: path)) { engine in
            _ = echo(engine)
            let started = try await flow.start("wait", id: "one")
            run = started
            result = Task.immediate { try await started.result() }
            try await settle(flow)
        }
        try await gate.reached()
        try await Client.withClient(id: "worker", driver: .lmdb(path: path)) { engine in
            _ = echo(engine)
            gate.open()
            _ = try await web.signal("go", 1, ifNobodyWaits: .keep(for: .seconds(60)))
            #expect(try await result?.value == "wait")
            #expect(try await run?.result() == "wait")
        }
        await web.close()
    }

    @Test("A client that waits hears that the engine stopped")
    func stopping() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.appending("store")
        let web = try await socketClient(path)
        let flow = echo(web)
        var result: Task<String, any Error>?
        try await Client.withClient(id: "worker", driver: .lmdb(path: path)) { engine in
            _ = echo(engine)
            let run = try await flow.start("wait", id: "one")
            result = Task.immediate { try await run.result() }
            try await settle(flow)
        }
        let error = await #expect(throws: EngineUnreachable.self) { try await result?.value }
        #expect(error?.mayHaveHappened == true)
        #expect(error?.operation == "waiting for a result")
        await web.close()
    }

    // MARK: The file

    private func mode(_ path: String) -> mode_t? {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode : nil
    }

    @Test("The socket is the owner's alone, is noted in the lock, replaces a stale one and goes with the engine")
    func file() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.appending("store")
        let socket = "\(path)/engine.sock"
        try await Client.withClient(id: "worker", driver: .lmdb(path: path)) { _ in }
        #expect(mode(socket) == nil)
        // What a killed engine leaves behind: a file that nobody listens at.
        let stale = try ListeningSocket(at: SocketPlace(path: socket))
        close(stale.descriptor)
        #expect(throws: RawPeer.Refused.self) { _ = try RawPeer(socket) }
        try await Client.withClient(id: "worker", driver: .lmdb(path: path)) { engine in
            _ = echo(engine)
            #expect(mode(socket) == S_IFSOCK | 0o600)
            #expect(EngineHolder.of(directory: path)?.pid == getpid())
            #expect(EngineHolder.of(directory: path)?.socket?.hasSuffix("/store/engine.sock") == true)
            let web = try await socketClient(path)
            #expect(try await echo(web).start("a").result() == "a")
            await web.close()
        }
        #expect(mode(socket) == nil)
    }

    @Test("Whatever else lies in the socket's place stays there, and the engine works without one")
    func occupied() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.appending("store")
        try await Client.withClient(id: "worker", driver: .lmdb(path: path)) { _ in }
        let socket = "\(path)/engine.sock"
        close(open(socket, O_WRONLY | O_CREAT, 0o600))
        let logs = LogRecorder()
        try await Client.withClient(id: "worker", driver: .lmdb(path: path), logger: logs.logger) { engine in
            let output = try await echo(engine).start("a").result()
            #expect(output == "a")
        }
        #expect(mode(socket).map { $0 & S_IFMT } == S_IFREG)
        #expect(logs.messages.contains("the engine can't be reached from other processes"))
    }

    @Test("A store whose path is too long for a socket has it elsewhere, and clients find it")
    func longPath() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.appending(String(repeating: "long", count: 30))
        try await Client.withClient(id: "worker", driver: .lmdb(path: path)) { engine in
            _ = echo(engine)
            let place = try #require(EngineHolder.of(directory: path)?.socket)
            #expect(place.utf8.count <= 107)
            #expect(mode(place) == S_IFSOCK | 0o600)
            let web = try await Client(id: "web", driver: .lmdb(path: path, role: .client))
            #expect(try await echo(web).start("a").result() == "a")
            await web.close()
        }
        #expect(EngineHolder.of(directory: path)?.socket.flatMap(mode) == nil)
    }

    @Test("It is the user's runtime directory if that is private, else a private one")
    func places() throws {
        let directory = try TemporaryDirectory()
        let store = directory.appending(String(repeating: "long", count: 30))
        mkdir(store, 0o700)
        let runtime = directory.appending("run")
        mkdir(runtime, 0o700)
        let place = try SocketPlace.choose(for: store, runtimeDirectory: runtime)
        #expect(place.path.hasPrefix("\(runtime)/stepkit-"))
        #expect(try SocketPlace.choose(for: store, runtimeDirectory: runtime) == place)
        chmod(runtime, 0o755)
        let other = try SocketPlace.choose(for: store, runtimeDirectory: runtime)
        let own = try #require(other.ownDirectory)
        #expect(own.hasPrefix("/tmp/stepkit-"))
        #expect(mode(own) == S_IFDIR | 0o700)
        // Others could put their own socket there.
        chmod(own, 0o777)
        let unique = try #require(try SocketPlace.choose(for: store, runtimeDirectory: nil).ownDirectory)
        #expect(unique != own)
        #expect(mode(unique) == S_IFDIR | 0o700)
        rmdir(own)
        rmdir(unique)
        let short = directory.appending("s")
        mkdir(short, 0o700)
        #expect(try SocketPlace.choose(for: short, runtimeDirectory: runtime).path.hasSuffix("/s/engine.sock"))
    }
}
