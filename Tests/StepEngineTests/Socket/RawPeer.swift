import Glibc
import StepEvents
import TestSupport

/// A peer of an engine's socket that says whatever a test wants it to say. It waits: use it off the pool.
final class RawPeer: Sendable {
    struct Refused: Error { var code: Int32 }

    private let descriptor: Int32

    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        guard code == 0 else { throw Refused(code: errno) }
    }

    deinit { close(descriptor) }

    /// Sends bytes as they are; returns false when the other side has closed.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    /// Sends a frame.
    @discardableResult
    func say(_ write: (inout ByteWriter) -> Void) -> Bool {
        var body = ByteWriter()
        write(&body)
        var frame = ByteWriter()
        frame.fixed(UInt32(body.bytes.count))
        return send(frame.bytes + body.bytes)
    }

    @discardableResult
    func sayHello(versions: ClosedRange<UInt64> = 2...2) -> Bool {
        say { writer in
            writer.text("stepkit")
            writer.varint(versions.lowerBound)
            writer.varint(versions.upperBound)
        }
    }

    /// Nothing more will be sent.
    func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// The body of the next frame; `nil` once the other side has closed.
    func hear() -> [UInt8]? {
        guard let header = read(4) else { return nil }
        return read(header.enumerated().reduce(0) { $0 | Int($1.element) << ($1.offset * 8) })
    }

    /// Reads to the end of what the other side sends.
    func hearAll() -> [[UInt8]] {
        var frames: [[UInt8]] = []
        while let frame = hear() { frames.append(frame) }
        return frames
    }

    private func read(_ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var have = 0
        while have < count {
            let got = bytes.withUnsafeMutableBytes { buffer in
                recv(descriptor, buffer.baseAddress.map { $0 + have }, count - have, 0)
            }
            guard got > 0 else { return nil }
            have += got
        }
        return bytes
    }
}
