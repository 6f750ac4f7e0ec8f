/// Appends little-endian integers, variable-length integers and length-prefixed bytes to a buffer.
package struct ByteWriter {
    package var bytes: [UInt8]

    package init(reserving capacity: Int = 0) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    package init(appendingTo bytes: consuming [UInt8]) { self.bytes = bytes }

    package mutating func byte(_ value: UInt8) { bytes.append(value) }

    package mutating func fixed<T: FixedWidthInteger>(_ value: T) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// Seven bits a byte, the lowest first, the top bit set on all but the last (LEB128).
    package mutating func varint(_ value: some UnsignedInteger & FixedWidthInteger) {
        var rest = UInt64(value)
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    package mutating func data(_ value: [UInt8]) {
        varint(UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    package mutating func text(_ value: String) {
        var value = value
        value.withUTF8 { utf8 in
            varint(UInt64(utf8.count))
            bytes.append(contentsOf: utf8)
        }
    }

    package mutating func time(_ value: Timestamp) { fixed(value.nanoseconds) }

    /// A byte that says whether a value follows, then the value.
    package mutating func optional<T>(_ value: T?, _ write: (inout ByteWriter, T) -> Void) {
        guard let value else { return byte(0) }
        byte(1)
        write(&self, value)
    }
}
