import Glibc

/// One page of a data file, read and not mapped. What lies beyond its end reads as zero, so that a damaged number in it
/// leads to a wrong value, never out of bounds.
///
/// A page begins with its number (8 bytes), padding and flags (2 each), and the lower and upper end of its free space
/// (2 each) or, on the first of some overflow pages, their number (4). Offsets of its nodes follow, in key order.
@safe final class PageView {
    static let headerBytes = 16
    static let nodeBytes = 8
    static let branch: UInt16 = 0x01
    static let leaf: UInt16 = 0x02
    static let overflow: UInt16 = 0x04

    let count: Int
    private let bytes: UnsafeMutableRawPointer

    init(count: Int) {
        self.count = count
        unsafe bytes = .allocate(byteCount: count, alignment: 16)
    }

    deinit { unsafe bytes.deallocate() }

    /// Reads its first `size` bytes from the file; false when the file ends before. — pread
    func read(_ descriptor: Int32, at offset: Int, size: Int, path: String) throws -> Bool {
        var filled = 0
        let size = min(size, count)
        while filled < size {
            let read = unsafe pread(descriptor, bytes + filled, size - filled, offset + filled)
            if read < 0, errno == EINTR { continue }
            guard read >= 0 else { throw LMDBError(code: errno, operation: "read", path: path) }
            if read == 0 { return false }
            filled += read
        }
        return true
    }

    @inline(__always)
    func integer<Integer: FixedWidthInteger>(_ type: Integer.Type = Integer.self, at offset: Int) -> Integer {
        guard offset >= 0, offset <= count - MemoryLayout<Integer>.size else { return 0 }
        return unsafe bytes.loadUnaligned(fromByteOffset: offset, as: Integer.self)
    }

    var number: UInt64 { integer(at: 0) }
    var flags: UInt16 { integer(at: 10) }
    var lower: Int { Int(integer(UInt16.self, at: 12)) }
    var upper: Int { Int(integer(UInt16.self, at: 14)) }
    var overflowPages: Int { Int(integer(UInt32.self, at: 12)) }
    var entries: Int { (lower - Self.headerBytes) / 2 }

    func offset(of entry: Int) -> Int { Int(integer(UInt16.self, at: Self.headerBytes + 2 * entry)) }

    func node(_ entry: Int) -> PageNode {
        let offset = offset(of: entry)
        let size = UInt64(integer(UInt16.self, at: offset)) | UInt64(integer(UInt16.self, at: offset + 2)) << 16
        return PageNode(
            offset: offset, low: size, flags: integer(at: offset + 4),
            keyBytes: Int(integer(UInt16.self, at: offset + 6)))
    }

    /// A copy; shorter when the page ends before.
    func bytes(at offset: Int, count wanted: Int) -> [UInt8] {
        guard offset >= 0, offset < count else { return [] }
        return unsafe [UInt8](
            UnsafeRawBufferPointer(start: bytes + offset, count: max(0, min(wanted, count - offset))))
    }

    /// How two keys on this page sort: negative when the first comes before the other.
    func compare(_ left: PageNode, _ right: PageNode) -> Int {
        guard fits(left), fits(right) else { return 0 }
        let difference = unsafe memcmp(
            bytes + left.keyOffset, bytes + right.keyOffset, min(left.keyBytes, right.keyBytes))
        return difference != 0 ? Int(difference) : left.keyBytes - right.keyBytes
    }

    private func fits(_ node: PageNode) -> Bool { node.keyOffset + node.keyBytes <= count }
}

/// An entry of a page: two halves of the value's size (or, with the flags, of a page's number), flags, the key's size,
/// key, value.
struct PageNode {
    /// The value is in overflow pages; their number stands in its place.
    static let big: UInt16 = 0x01
    /// The value is the record of a table.
    static let table: UInt16 = 0x02

    var offset: Int
    var low: UInt64
    var flags: UInt16
    var keyBytes: Int

    /// On a branch: the page with the keys from here on.
    var child: UInt64 { low | UInt64(flags) << 32 }
    /// On a leaf: how long the value is.
    var valueBytes: Int { Int(low) }
    var keyOffset: Int { offset + PageView.nodeBytes }
    var valueOffset: Int { keyOffset + keyBytes }

    /// Bytes it takes on its page, without what makes it even.
    func size(isLeaf: Bool) -> Int {
        guard isLeaf else { return PageView.nodeBytes + keyBytes }
        return PageView.nodeBytes + keyBytes + (flags & Self.big != 0 ? MemoryLayout<UInt64>.size : valueBytes)
    }
}

/// LMDB's record of a tree: padding (4 bytes), flags and depth (2 each), branch, leaf and overflow pages, entries, root
/// (8 each).
struct TreeRecord {
    static let bytes = 48
    /// LMDB's cursors have room for 32 levels.
    static let deepest: UInt16 = 31
    private static let noPage = UInt64.max

    var flags: UInt16
    var depth: UInt16
    var entries: UInt64
    /// `nil` when it is empty.
    var root: UInt64?

    init(flags: UInt16, depth: UInt16, entries: UInt64, root: UInt64) {
        (self.flags, self.depth, self.entries) = (flags, depth, entries)
        self.root = root == Self.noPage ? nil : root
    }

    init?(_ bytes: FileBytes, at offset: Int) {
        guard let flags = bytes.integer(UInt16.self, at: offset + 4),
            let depth = bytes.integer(UInt16.self, at: offset + 6),
            let entries = bytes.integer(UInt64.self, at: offset + 32),
            let root = bytes.integer(UInt64.self, at: offset + 40)
        else { return nil }
        self.init(flags: flags, depth: depth, entries: entries, root: root)
    }
}
