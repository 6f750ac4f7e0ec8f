import Glibc
import StepEvents
import StepLog

/// Finds the engine of a store from another process, and connects to it.
struct EngineAddress: Sendable {
    struct Connection: Sendable {
        var descriptor: Int32
        /// The largest frame that the engine takes.
        var frameLimit: Int
    }

    /// Why there is no connection.
    enum Problem: Error {
        case absent(reason: String, pid: Int32?)
        case refused(WireError)
    }

    /// How long an engine that accepts a connection may take to greet.
    private static let patience = 10

    /// The store's directory.
    var directory: String

    /// The process that has the store open, or had it last.
    var pid: Int32? { EngineHolder.of(directory: directory)?.pid }

    /// Connects and exchanges greetings. Waits: not on the cooperative pool.
    func connect() throws(Problem) -> Connection {
        let holder = EngineHolder.of(directory: directory)
        var places = [SocketPlace.beside(directory), holder?.socket].compactMap { $0 }
        if places.count == 2, places[0] == places[1] { places.removeLast() }
        var last: SocketFailure?
        for place in places {
            do {
                return try connect(to: place)
            } catch let error as SocketFailure {
                last = error
                if !error.isAbsence { break }
            } catch let error as Problem {
                throw error
            } catch {
                last = SocketFailure("connect to \(place)", reason: "its greeting can't be read: \(error)")
                break
            }
        }
        throw .absent(reason: Self.reason(last, holder), pid: holder?.pid)
    }

    private static func reason(_ failure: SocketFailure?, _ holder: EngineHolder?) -> String {
        guard let failure else { return "no engine has noted where it listens" }
        guard failure.isAbsence else { return failure.description }
        let isAlive = holder?.pid.map { kill($0, 0) == 0 || errno == EPERM } ?? false
        return isAlive ? "it does not listen (\(failure))" : "no engine is running (\(failure))"
    }

    private func connect(to path: String) throws -> Connection {
        let descriptor = try SocketCalls.make()
        do {
            SocketCalls.setTimeout(descriptor, seconds: Self.patience)
            try SocketCalls.connect(descriptor, to: path)
            try requireOwner(descriptor, path)
            // An engine that refuses the connection may have said so and closed it before this arrives.
            _ = SocketCalls.send(descriptor, FrameBuffer.framed(Handshake.hello())[...])
            let frame = try Self.readFrame(descriptor, path)
            guard case .welcome(let frameLimit) = try Self.greeting(frame, path) else {
                throw SocketFailure("connect to \(path)", reason: "it did not greet")
            }
            SocketCalls.neverBlock(descriptor)
            return Connection(descriptor: descriptor, frameLimit: frameLimit)
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// Only who owns the store may speak for it, whoever could listen at that path.
    private func requireOwner(_ descriptor: Int32, _ path: String) throws {
        var status = stat()
        guard stat(directory, &status) == 0 else { throw SocketFailure("stat \(directory)", errno) }
        let user = SocketCalls.peerUser(descriptor)
        guard user == status.st_uid || user == 0 else {
            throw SocketFailure("connect to \(path)", reason: "another user listens there than owns the store")
        }
    }

    private static func greeting(_ frame: [UInt8], _ path: String) throws -> Handshake.Greeting {
        let greeting: Handshake.Greeting
        do {
            greeting = try Handshake.readGreeting(frame)
        } catch {
            throw SocketFailure("connect to \(path)", reason: "its greeting can't be read: \(error)")
        }
        if case .refused(let error) = greeting { throw Problem.refused(error) }
        return greeting
    }

    /// Reads byte by byte as far as the first frame goes, so that nothing after it is taken.
    private static func readFrame(_ descriptor: Int32, _ path: String) throws -> [UInt8] {
        var buffer = FrameBuffer(limit: WireText.limit)
        while true {
            if let frame = try buffer.next() { return frame }
            let received = withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { bytes in
                let received = SocketCalls.receive(descriptor, into: bytes)
                if case .bytes = received { buffer.append(UnsafeRawBufferPointer(bytes)) }
                return received
            }
            switch received {
            case .bytes: break
            case .nothingYet: throw SocketFailure("connect to \(path)", reason: "the engine does not answer")
            case .ended: throw SocketFailure("connect to \(path)", reason: "the engine closed the connection")
            }
        }
    }
}
