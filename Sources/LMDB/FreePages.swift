/// Reads LMDB's list of free pages straight from the file, for the one question whether pages beyond its end are free.
///
/// Every number in the file may be wrong, so each is checked against the file's bounds, and the walk visits no page
/// twice.
struct FreePages {
    let descriptor: Int32
    let path: String
    let pageBytes: Int
    /// The number of whole pages the file holds.
    let end: UInt64

    private static let headerBytes = 16
    private static let branchFlag: UInt16 = 0x01
    private static let leafFlag: UInt16 = 0x02
    private static let overflowFlag: UInt16 = 0x04
    private static let bigDataFlag: UInt16 = 0x01

    /// How many different pages of a range are on the list; nil when the list can't be read.
    func count(root: UInt64, in range: ClosedRange<UInt64>) throws -> UInt64? {
        var waiting = [root]
        var visited: Set<UInt64> = []
        var found: Set<UInt64> = []
        while let number = waiting.popLast() {
            guard visited.insert(number).inserted, let page = try page(number),
                let flags = page.integer(UInt16.self, at: 10), let lower = page.integer(UInt16.self, at: 12),
                Int(lower) >= Self.headerBytes, Int(lower) <= pageBytes
            else { return nil }
            for index in 0..<(Int(lower) - Self.headerBytes) / 2 {
                guard let offset = page.integer(UInt16.self, at: Self.headerBytes + 2 * index),
                    let node = Node(page: page, offset: Int(offset))
                else { return nil }
                if flags & Self.branchFlag != 0 {
                    waiting.append(node.child)
                } else if flags & Self.leafFlag != 0 {
                    guard let pages = try list(of: node, in: page) else { return nil }
                    found.formUnion(pages.lazy.filter { range.contains($0) })
                } else {
                    return nil
                }
            }
        }
        return UInt64(found.count)
    }

    /// One entry of a page: two halves of a size (or, with the flags, of a page number), flags, key size, key, value.
    private struct Node {
        let child: UInt64
        let dataBytes: Int
        let dataOffset: Int
        let isBig: Bool

        init?(page: FileBytes, offset: Int) {
            guard let low = page.integer(UInt16.self, at: offset), let high = page.integer(UInt16.self, at: offset + 2),
                let flags = page.integer(UInt16.self, at: offset + 4),
                let keyBytes = page.integer(UInt16.self, at: offset + 6)
            else { return nil }
            child = UInt64(low) | UInt64(high) << 16 | UInt64(flags) << 32
            dataBytes = Int(low) | Int(high) << 16
            dataOffset = offset + 8 + Int(keyBytes)
            isBig = flags & FreePages.bigDataFlag != 0
        }
    }

    /// A list is a count and as many page numbers, in the leaf or in overflow pages.
    private func list(of node: Node, in page: FileBytes) throws -> [UInt64]? {
        guard node.isBig else { return numbers(in: page, at: node.dataOffset, bytes: node.dataBytes) }
        guard let first = page.integer(UInt64.self, at: node.dataOffset), first < end,
            UInt64(Self.headerBytes + node.dataBytes) <= (end - first) * UInt64(pageBytes)
        else { return nil }
        let bytes = try FileBytes(
            descriptor: descriptor, offset: Int(first) * pageBytes, count: Self.headerBytes + node.dataBytes,
            path: path)
        guard let flags = bytes.integer(UInt16.self, at: 10), flags & Self.overflowFlag != 0 else { return nil }
        return numbers(in: bytes, at: Self.headerBytes, bytes: node.dataBytes)
    }

    private func numbers(in bytes: FileBytes, at offset: Int, bytes size: Int) -> [UInt64]? {
        guard let count = bytes.integer(UInt64.self, at: offset), count < UInt64(size / 8) else { return nil }
        var result: [UInt64] = []
        for index in 0..<Int(count) {
            guard let number = bytes.integer(UInt64.self, at: offset + 8 + 8 * index) else { return nil }
            result.append(number)
        }
        return result
    }

    private func page(_ number: UInt64) throws -> FileBytes? {
        guard number < end else { return nil }
        let page = try FileBytes(
            descriptor: descriptor, offset: Int(number) * pageBytes, count: pageBytes, path: path)
        return page.count == pageBytes ? page : nil
    }
}
