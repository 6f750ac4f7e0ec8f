/// Reads what ``ByteWriter`` wrote. Every read is bounded: hostile bytes give an error, never a trap or a huge
/// allocation.
package struct ByteReader {
    package enum Problem: Error, Hashable, Sendable {
        case ended(wanted: Int, left: Int)
        case varintTooLong
        case tooLong(what: String, count: UInt64, limit: Int)
        case notUTF8(what: String)
        case unknown(what: String, value: UInt64)
        case bytesLeft(Int)
    }

    private let bytes: ArraySlice<UInt8>
    private var position: Int

    package init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        position = bytes.startIndex
    }

    package init(_ bytes: [UInt8]) { self.init(bytes[...]) }

    package var left: Int { bytes.endIndex - position }

    package mutating func byte() throws(Problem) -> UInt8 {
        guard position < bytes.endIndex else { throw .ended(wanted: 1, left: 0) }
        defer { position += 1 }
        return bytes[position]
    }

    package mutating func fixed<T: FixedWidthInteger>(_ type: T.Type = T.self) throws(Problem) -> T {
        let width = MemoryLayout<T>.size
        guard left >= width else { throw .ended(wanted: width, left: left) }
        var value: T = 0
        for offset in 0..<width { value |= T(truncatingIfNeeded: bytes[position + offset]) << T(offset * 8) }
        position += width
        return value
    }

    package mutating func varint() throws(Problem) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let next = try byte()
            guard shift < 63 || (shift == 63 && next <= 1) else { throw .varintTooLong }
            value |= UInt64(next & 0x7F) << shift
            if next < 0x80 { return value }
            shift += 7
        }
    }

    package mutating func varint32(_ what: String) throws(Problem) -> UInt32 {
        let value = try varint()
        guard let narrow = UInt32(exactly: value) else {
            throw .tooLong(what: what, count: value, limit: Int(UInt32.max))
        }
        return narrow
    }

    package mutating func raw(_ count: Int) throws(Problem) -> [UInt8] {
        guard count >= 0, left >= count else { throw .ended(wanted: count, left: left) }
        defer { position += count }
        return Array(bytes[position..<position + count])
    }

    package mutating func data(_ what: String, limit: Int) throws(Problem) -> [UInt8] {
        let count = try varint()
        guard count <= UInt64(limit) else { throw .tooLong(what: what, count: count, limit: limit) }
        return try raw(Int(count))
    }

    package mutating func text(_ what: String, limit: Int) throws(Problem) -> String {
        let utf8 = try data(what, limit: limit)
        guard let text = String(validating: utf8, as: UTF8.self) else { throw .notUTF8(what: what) }
        return text
    }

    package mutating func time() throws(Problem) -> Timestamp { Timestamp(nanoseconds: try fixed(Int64.self)) }

    package mutating func optional<T>(_ read: (inout ByteReader) throws(Problem) -> T) throws(Problem) -> T? {
        switch try byte() {
        case 0: return nil
        case 1: return try read(&self)
        case let other: throw .unknown(what: "presence byte", value: UInt64(other))
        }
    }

    /// Throws unless everything was read.
    package func finish() throws(Problem) {
        if left != 0 { throw .bytesLeft(left) }
    }
}
