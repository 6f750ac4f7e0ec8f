import StepEvents

/// The first frame of each side: which versions of the protocol the client speaks, and which one the engine chose.
enum Handshake {
    /// Raised when a frame changes its meaning.
    static let version: UInt64 = 2
    /// Longer frames are no greeting.
    static let limit = 64
    private static let name = "stepkit"

    static func hello(lowest: UInt64 = version, highest: UInt64 = version) -> [UInt8] {
        var writer = ByteWriter()
        writer.text(name)
        writer.varint(lowest)
        writer.varint(highest)
        return writer.bytes
    }

    /// Which versions a client speaks.
    static func readHello(_ frame: [UInt8]) throws(ByteReader.Problem) -> ClosedRange<UInt64> {
        var reader = ByteReader(frame)
        guard try reader.text("protocol", limit: limit) == name else { throw .unknown(what: "protocol", value: 0) }
        let lowest = try reader.varint()
        let highest = try reader.varint()
        guard lowest <= highest else { throw .unknown(what: "range of versions", value: lowest) }
        // A later version may say more here.
        return lowest...highest
    }

    /// The engine's greeting: the version that both speak from now on, and the largest frame that it takes.
    static func welcome(frameLimit: Int) -> [UInt8] {
        var writer = ByteWriter()
        writer.varint(SocketAnswer.connection)
        writer.byte(0)
        writer.varint(version)
        writer.varint(UInt64(frameLimit))
        return writer.bytes
    }

    enum Greeting {
        case welcome(frameLimit: Int)
        case refused(WireError)
    }

    static func readGreeting(_ frame: [UInt8]) throws(ByteReader.Problem) -> Greeting {
        var reader = ByteReader(frame)
        guard try reader.varint() == SocketAnswer.connection else { throw .unknown(what: "greeting", value: 1) }
        guard try reader.byte() == 0 else {
            guard case .failed(let error) = try SocketAnswer.decode(frame).answer else {
                throw .unknown(what: "greeting", value: 0)
            }
            return .refused(error)
        }
        let chosen = try reader.varint()
        guard chosen == version else { throw .unknown(what: "version of the protocol", value: chosen) }
        return .welcome(frameLimit: Int(clamping: try reader.varint()))
    }
}
