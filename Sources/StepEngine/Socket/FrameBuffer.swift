/// Bytes as they arrive, cut into frames: a length of four bytes, little-endian, and that many bytes.
///
/// Memory grows with what has arrived, never with what a length announces.
struct FrameBuffer {
    struct TooLarge: Error, Hashable {
        var bytes: Int
        var limit: Int
    }

    /// The largest frame that is taken.
    var limit: Int
    private var bytes: [UInt8] = []
    private var start = 0

    init(limit: Int) { self.limit = limit }

    mutating func append(_ arrived: UnsafeRawBufferPointer) { bytes.append(contentsOf: arrived) }

    /// The next whole frame, if it has arrived.
    mutating func next() throws(TooLarge) -> [UInt8]? {
        guard bytes.count - start >= 4 else { return nil }
        let length = (0..<4).reduce(0) { $0 | Int(bytes[start + $1]) << ($1 * 8) }
        guard length <= limit else { throw TooLarge(bytes: length, limit: limit) }
        guard bytes.count - start - 4 >= length else { return nil }
        let frame = Array(bytes[start + 4..<start + 4 + length])
        start += 4 + length
        if start == bytes.count {
            bytes.removeAll(keepingCapacity: bytes.count <= 1 << 16)
            start = 0
        } else if start > 1 << 16, start > bytes.count / 2 {
            bytes.removeFirst(start)
            start = 0
        }
        return frame
    }

    /// A frame with its length before it.
    static func framed(_ body: [UInt8]) -> [UInt8] {
        let length = UInt32(clamping: body.count)
        var frame: [UInt8] = []
        frame.reserveCapacity(4 + body.count)
        for shift in [0, 8, 16, 24] as [UInt32] { frame.append(UInt8(truncatingIfNeeded: length >> shift)) }
        frame.append(contentsOf: body)
        return frame
    }
}
