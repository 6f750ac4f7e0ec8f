/// Integers as keys. LMDB compares keys byte by byte, so only big-endian integers sort by value.
package enum BigEndian {
    /// The integer's bytes, most significant first.
    package static func bytes<Integer: FixedWidthInteger & UnsignedInteger>(_ value: Integer) -> [UInt8] {
        var result: [UInt8] = []
        append(value, to: &result)
        return result
    }

    /// Appends the integer's bytes, most significant first.
    package static func append<Integer: FixedWidthInteger & UnsignedInteger>(_ value: Integer, to key: inout [UInt8]) {
        for shift in stride(from: Integer.bitWidth - 8, through: 0, by: -8) {
            key.append(UInt8(truncatingIfNeeded: value >> Integer(shift)))
        }
    }

    /// Reads an integer at an offset; nil when the key is too short for it.
    package static func read<Integer: FixedWidthInteger & UnsignedInteger>(
        _ type: Integer.Type = Integer.self, from key: UnsafeRawBufferPointer, at offset: Int = 0
    ) -> Integer? {
        let size = Integer.bitWidth / 8
        guard offset >= 0, size <= key.count, offset <= key.count - size else { return nil }
        var result: Integer = 0
        for index in offset..<offset + size {
            result = unsafe result << 8 | Integer(key[index])
        }
        return result
    }

    /// Reads an integer at an offset; nil when the key is too short for it.
    package static func read<Integer: FixedWidthInteger & UnsignedInteger>(
        _ type: Integer.Type = Integer.self, from key: [UInt8], at offset: Int = 0
    ) -> Integer? {
        unsafe key.withUnsafeBytes { unsafe read(type, from: $0, at: offset) }
    }

    /// Lends the eight bytes of a key without an allocation.
    @inline(__always)
    package static func withKey<Result>(
        _ value: UInt64, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        try unsafe withUnsafeBytes(of: value.bigEndian) { try unsafe body($0) }
    }

    /// Lends the sixteen bytes of a key of two integers without an allocation.
    @inline(__always)
    package static func withKey<Result>(
        _ first: UInt64, _ second: UInt64, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        try unsafe withUnsafeBytes(of: (first.bigEndian, second.bigEndian)) { try unsafe body($0) }
    }
}
