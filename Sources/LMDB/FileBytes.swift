import Glibc

/// Bytes of a file, read with bounds and without mapping: a damaged number in them can lead to an error, not a fault.
struct FileBytes {
    private let bytes: [UInt8]

    /// Reads up to `count` bytes; fewer when the file ends before. — pread
    init(descriptor: Int32, offset: Int, count: Int, path: String) throws {
        var buffer = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let read = unsafe buffer.withUnsafeMutableBytes { buffer in
                unsafe pread(
                    descriptor, UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]).baseAddress,
                    count - filled, offset + filled)
            }
            if read < 0 {
                if errno == EINTR { continue }
                throw LMDBError(code: errno, operation: "read", path: path)
            }
            if read == 0 { break }
            filled += read
        }
        bytes = Array(buffer.prefix(filled))
    }

    var count: Int { bytes.count }

    /// An integer in the machine's byte order, as LMDB stores it; nil past the end.
    func integer<Integer: FixedWidthInteger>(_ type: Integer.Type, at offset: Int) -> Integer? {
        let size = Integer.bitWidth / 8
        guard offset >= 0, offset <= bytes.count - size else { return nil }
        return unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: offset, as: Integer.self) }
    }
}
