import StepCore
import StepEngine
import StepEvents
import StepKit
import StepLocks
import StepLog
import TestSupport
import Testing

/// The server of an engine's socket against peers that don't keep to the protocol, or that keep it waiting.
@Suite("The protocol of an engine's socket", .timeLimit(.minutes(5)))
struct SocketProtocolTests {
    private static func echo(_ request: SocketRequest) async throws -> SocketAnswer {
        switch request {
        case .start: .run(someRun)
        case .find: .run(nil)
        case .result: .output(.null)
        case .describe: .description(nil)
        case .cancel, .abandon: .done
        case .signal: .run(someRun)
        }
    }

    /// Whether the server answers a well-behaved client.
    private func requireServing(_ bench: SocketBench) async throws {
        let session = try bench.session()
        #expect(try await session.find(workflow: "a", key: "b") == nil)
        await session.close()
    }

    /// What the last frame before the end says of the error in it.
    private func refusal(_ frames: [[UInt8]]) throws -> (code: UInt64, message: String)? {
        guard let last = frames.last else { return nil }
        var reader = ByteReader(last)
        guard try reader.varint() == 0, try reader.byte() == 5 else { return nil }
        let code = try reader.varint()
        _ = try reader.text("type", limit: 1 << 16)
        return (code, try reader.text("message", limit: 1 << 16))
    }

    private static let protocolBroken: UInt64 = 13
    private static let versionUnknown: UInt64 = 14
    private static let tooManyConnections: UInt64 = 15

    @Test("Random bytes end their own connection and nothing else")
    func randomBytes() async throws {
        let seed = TestSeed.value
        let bench = try SocketBench(handler: Self.echo)
        var draws = SeededGenerator(seed: seed)
        for round in 0..<300 {
            let greets = draws.once(in: 2)
            let framed = draws.once(in: 2)
            let bytes = draws.bytes(1 + draws.below(200))
            let path = bench.path
            try await offPool {
                let peer = try RawPeer(path)
                if greets { peer.sayHello() }
                if framed { peer.say { $0.bytes = bytes } } else { peer.send(bytes) }
                peer.endSending()
                _ = peer.hearAll()
            }
            if round % 30 == 0 { try await requireServing(bench) }
        }
        try await requireServing(bench)
        await bench.stop()
    }

    @Test("Requests with bytes changed at random are answered or refused")
    func changedRequests() async throws {
        let bench = try SocketBench(handler: Self.echo)
        var draws = SeededGenerator(seed: TestSeed.value)
        for _ in 0..<300 {
            var start = ByteWriter()
            start.varint(UInt64(1))
            start.byte(1)
            start.text("flow")
            start.varint(UInt32(1))
            start.optional("key") { $0.text($1) }
            start.byte(0)
            start.data([1, 2, 3])
            var bytes = start.bytes
            for _ in 0..<1 + draws.below(3) { bytes[draws.below(bytes.count)] = UInt8(draws.below(256)) }
            if draws.once(in: 4) { bytes.removeLast(draws.below(bytes.count)) }
            let (changed, path) = (bytes, bench.path)
            try await offPool {
                let peer = try RawPeer(path)
                peer.sayHello()
                peer.say { $0.bytes = changed }
                peer.endSending()
                _ = peer.hearAll()
            }
        }
        try await requireServing(bench)
        await bench.stop()
    }

    @Test("Frames that are too large, greetings and requests that make no sense, are refused with a reason")
    func refusals() async throws {
        let bench = try SocketBench(configure: { $0.payloadLimit = 1_000 }, handler: Self.echo)
        let path = bench.path
        let tooLarge = try await offPool {
            let peer = try RawPeer(path)
            peer.sayHello()
            peer.send([0xFF, 0xFF, 0xFF, 0x7F])
            return peer.hearAll()
        }
        #expect(try refusal(tooLarge)?.code == Self.protocolBroken)
        #expect(try refusal(tooLarge)?.message.contains("2147483647 bytes") == true)
        let otherVersion = try await offPool {
            let peer = try RawPeer(path)
            peer.sayHello(versions: 3...9)
            return peer.hearAll()
        }
        #expect(try refusal(otherVersion)?.code == Self.versionUnknown)
        let noGreeting = try await offPool {
            let peer = try RawPeer(path)
            peer.say { $0.text("http") }
            return peer.hearAll()
        }
        #expect(try refusal(noGreeting)?.code == Self.protocolBroken)
        let unknown = try await offPool {
            let peer = try RawPeer(path)
            peer.sayHello(versions: 1...3)
            peer.say { $0.bytes = [1, 99] }
            return peer.hearAll()
        }
        #expect(unknown.count == 2)
        #expect(try refusal(unknown)?.code == Self.protocolBroken)
        try await requireServing(bench)
        await bench.stop()
    }

    @Test("More clients than allowed are refused, and come in when there is room")
    func connections() async throws {
        let bench = try SocketBench(configure: { $0.connections = 2 }, handler: Self.echo)
        let (first, second) = (try bench.session(), try bench.session())
        _ = try await first.find(workflow: "a", key: "b")
        _ = try await second.find(workflow: "a", key: "b")
        let third = try bench.session()
        await #expect(throws: EngineBusy.self) { try await third.find(workflow: "a", key: "b") }
        await first.close()
        while true {
            // The server hears of it a moment later.
            do {
                _ = try await third.find(workflow: "a", key: "b")
                break
            } catch is EngineBusy { await Task.yield() }
        }
        await second.close()
        await third.close()
        await bench.stop()
    }

    @Test("A client that goes away ends its waits, and what it started goes on")
    func disconnecting() async throws {
        let (arrived, ended, gate) = (Gate(), Gate(), Gate())
        let finished = Gate()
        let bench = try SocketBench { request in
            switch request {
            case .result:
                do {
                    await arrived.passAtOnce()
                    try await gate.passOrCancel()
                } catch {
                    ended.open()
                    throw error
                }
                return .output(.null)
            case .start:
                await arrived.passAtOnce()
                await gate.pass()
                if !Task.isCancelled { finished.open() }
                return .run(someRun)
            default: return .done
            }
        }
        let session = try bench.session()
        let wait = Task { try await session.result(of: someRun) }
        let start = Task {
            try await session.start(
                StartRequest(workflow: "w", version: 1, key: nil, input: .null, ifExists: .return))
        }
        try await arrived.reached(2)
        await session.close()
        await #expect(throws: EngineStopped.self) { try await wait.value }
        await #expect(throws: EngineStopped.self) { try await start.value }
        await ended.pass()
        gate.open()
        await finished.pass()
        await bench.stop()
    }

    @Test("A client that does not read its answers is disconnected, and others are served meanwhile")
    func slowReader() async throws {
        let output = Payload([UInt8](repeating: 7, count: 1 << 20))
        let bench = try SocketBench(configure: { $0.sendLimit = 4 << 20 }) { request in
            if case .result = request { return .output(output) }
            return try await Self.echo(request)
        }
        let path = bench.path
        let peer = try await offPool {
            let peer = try RawPeer(path)
            peer.sayHello()
            for id in 1...32 as ClosedRange<UInt64> {
                peer.say { writer in
                    writer.varint(id)
                    writer.byte(2)
                    writer.fixed(UInt64(0))
                    writer.fixed(UInt64(0))
                }
            }
            return peer
        }
        try await requireServing(bench)
        // The end comes although it reads nothing.
        while !bench.logs.messages.contains(where: { $0.hasSuffix("does not read its answers") }) {
            await Task.yield()
        }
        let heard = try await offPool { peer.hearAll() }
        #expect(heard.count < 33)
        await bench.stop()
    }

    @Test("Large payloads and many requests at once pass whole")
    func volume() async throws {
        let bench = try SocketBench { request in
            guard case .signal(let signal) = request else { return try await Self.echo(request) }
            return .run(RunID(high: UInt64(signal.payload.bytes.count), low: UInt64(signal.payload.bytes.last ?? 0)))
        }
        let session = try bench.session()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 1...200 {
                group.addTask {
                    let bytes = [UInt8](repeating: UInt8(index), count: index.isMultiple(of: 10) ? 3 << 20 : index)
                    let run = try await session.signal(
                        SignalRequest(name: "s", payload: Payload(bytes), disposition: .drop, idempotencyKey: nil))
                    #expect(run == RunID(high: UInt64(bytes.count), low: UInt64(index)))
                }
            }
            try await group.waitForAll()
        }
        await session.close()
        await bench.stop()
    }

    @Test("Every error of an engine arrives as itself, and others by their names")
    func errors() async throws {
        let failure = Failure(
            type: "Module.Oh", message: "oh", fields: Payload([1]), causes: [.init(type: "A", message: "b")],
            site: "x:1")
        let errors: [any Error] =
            [
                RunNotFound(name: "r"), RunKeyConflict(workflow: "w", key: "k", existing: someRun),
                RunFailedError(runID: someRun, failure: failure),
                RunCancelledError(runID: someRun, by: "b", reason: "r"),
                InvalidPayloadError(signal: "s", runID: someRun, reason: "r"), EngineBusy(),
                EngineNotRunning(operation: "o"), EngineStopped(reason: "r"),
                InvalidInputError(workflow: "w", reason: "r"), PayloadTooLarge(what: "p", bytes: 2, limit: 1),
                InvalidStepID(id: "i", reason: "r"),
            ] + Self.storeErrors
        let bench = try SocketBench { request in
            guard case .find(_, let key) = request, let index = Int(key) else { throw Declined(code: 3) }
            throw errors[index]
        }
        let session = try bench.session()
        for (index, expected) in errors.enumerated() {
            do {
                _ = try await session.find(workflow: "w", key: "\(index)")
                Issue.record("no error in place of \(expected)")
            } catch {
                // Neither type has anything that its description leaves out.
                #expect(type(of: error) == type(of: expected))
                #expect("\(error)" == "\(expected)")
                if let error = error as? RunFailedError { #expect(error.failure == failure) }
            }
        }
        let other = await #expect(throws: RemoteEngineError.self) { try await session.find(workflow: "w", key: "x") }
        #expect(other == RemoteEngineError(type: Failure.typeName(Declined(code: 3)), message: "declined with code 3"))
        await session.close()
        await bench.stop()
    }

    private static var storeErrors: [StoreError] {
        let codes: [StoreError.Code] = [
            .busy, .storageFull, .commitOutcomeUnknown, .poisoned, .fenced, .inUse(pid: 7), .inUse(pid: nil),
            .rolledBack(lost: 9), .rolledBack(lost: nil), .tornCommit, .newerFormat, .foreign, .damaged, .unusable,
            .notFound, .readOnly, .closed, .invariantBroken, .system,
        ]
        return codes.map {
            StoreError($0, "detail", path: "/p", lsn: LSN(4), run: RunNumber(5), table: .log)
        } + [StoreError(.system, "alone")]
    }
}

extension Gate {
    /// Notes an arrival without waiting for anything.
    fileprivate func passAtOnce() async {
        open()
        await pass()
    }
}
