/// How much of an environment is looked at before LMDB follows its pages.
package enum PageCheckExtent: Equatable, Sendable {
    case nothing
    /// The list of free pages, the directory of tables, and the ways to the first and to the last entry of each table.
    case edges
    /// Every page in use.
    case everything
}

/// Walks the trees of an environment by reading its file, and refuses it when LMDB could not walk them.
///
/// LMDB trusts each number in a page: with one bit of it flipped it reads outside the map, fails an assertion or writes
/// into the map, and the process ends by a signal. Here each number is compared with what the page, the file and the
/// rest of the tree say. Values are not looked at; whoever wrote them has to check those.
final class PageCheck {
    private let descriptor: Int32
    private let path: String
    private let meta: MetaPages
    private let pageBytes: Int
    /// The number of whole pages that the file holds and that are in use.
    private let end: UInt64
    /// One bit for each page that is part of a tree or free.
    private var taken: [UInt64]
    /// A page for each level of a tree.
    private var levels: [PageView] = []
    private let header = PageView(count: PageView.headerBytes)
    /// At half a node's offset its size, while a page is checked.
    private var sizes: [UInt16]
    /// The tables found in the directory.
    private var tables: [(name: String, record: TreeRecord)] = []

    // The tree being walked.
    private var kind = Kind.table
    private var name: String?
    private var depth = 0
    private var skips = false
    private var entries: UInt64 = 0
    /// Where the next key must come: after this one, or, when this one separates two pages, not before it.
    private var last: [UInt8]?
    private var isSeparator = false

    private enum Kind: Equatable { case freeList, directory, table }

    private static let integerKeys: UInt16 = 0x08
    /// Reverse keys, duplicates and the like.
    private static let otherOrders: UInt16 = 0x76

    init(descriptor: Int32, path: String, meta: MetaPages, fileBytes: Int) {
        self.descriptor = descriptor
        self.path = path
        self.meta = meta
        pageBytes = meta.pageBytes
        end = min(UInt64(fileBytes / meta.pageBytes), meta.lastPage + 1)
        taken = Array(repeating: 0, count: Int(meta.lastPage / 64) + 1)
        sizes = Array(repeating: 0, count: meta.pageBytes / 2)
    }

    /// Throws `OpenRefusal.damaged` at the first thing that is not as LMDB leaves it.
    func run(_ extent: PageCheckExtent) throws {
        if extent == .nothing { return }
        guard meta.free.flags & (Self.integerKeys | Self.otherOrders) == Self.integerKeys else {
            throw damage(0, "the list of free pages has flags \(meta.free.flags)")
        }
        guard meta.main.flags == 0 else { throw damage(0, "the directory of tables has flags \(meta.main.flags)") }
        try walk(meta.free, .freeList, name: nil, skips: false)
        try walk(meta.main, .directory, name: nil, skips: false)
        // Tables with other flags were not made by this library and are refused when they are opened.
        for (name, record) in tables where record.flags == 0 {
            try walk(record, .table, name: name, skips: extent == .edges)
        }
    }

    // MARK: Trees

    private func walk(_ record: TreeRecord, _ kind: Kind, name: String?, skips: Bool) throws {
        (self.kind, self.name, self.skips, depth) = (kind, name, skips, Int(record.depth))
        (entries, last, isSeparator) = (0, nil, false)
        guard let root = record.root else {
            guard record.depth == 0, record.entries == 0 else { throw damage(0, "\(tree) has entries but no pages") }
            return
        }
        guard (1...TreeRecord.deepest).contains(record.depth) else {
            throw damage(root, "\(tree) can't be \(record.depth) levels deep")
        }
        try walk(page: root, level: 1)
        guard skips || entries == record.entries else {
            throw damage(root, "\(tree) holds \(entries) entries instead of \(record.entries)")
        }
    }

    private func walk(page number: UInt64, level: Int) throws {
        if levels.count < level { levels.append(PageView(count: pageBytes)) }
        let page = levels[level - 1]
        let isLeaf = level == depth
        try claim(number, 1, from: number)
        guard try page.read(descriptor, at: Int(number) * pageBytes, size: pageBytes, path: path) else {
            throw damage(number, "the file ends within it")
        }
        guard page.number == number else { throw damage(number, "it says that it is page \(page.number)") }
        guard page.flags == (isLeaf ? PageView.leaf : PageView.branch) else {
            throw damage(number, "its flags are \(page.flags) at level \(level) of \(depth)")
        }
        guard page.lower >= PageView.headerBytes, page.lower <= page.upper, page.upper <= pageBytes,
            page.lower % 2 == 0, page.upper % 2 == 0
        else { throw damage(number, "its free space makes no sense") }
        guard page.entries >= (isLeaf || kind == .freeList ? 1 : 2) else { throw damage(number, "it has no entries") }
        try checkNodes(of: page, number, isLeaf: isLeaf)
        try isLeaf ? checkLeaf(page, number) : descend(from: page, number, level: level)
    }

    private func descend(from page: PageView, _ number: UInt64, level: Int) throws {
        for index in 0..<page.entries where !skips || index == 0 || index == page.entries - 1 {
            let node = page.node(index)
            // The first has no key of its own: what comes before it lies on the pages to the left.
            if index > 0 {
                let key = page.bytes(at: node.keyOffset, count: node.keyBytes)
                try advance(to: key, number)
                (last, isSeparator) = (key, true)
            }
            // Deeper levels have pages of their own, so this one stays as it is.
            try walk(page: node.child, level: level + 1)
        }
    }

    private func checkLeaf(_ page: PageView, _ number: UInt64) throws {
        entries += UInt64(page.entries)
        for index in 0..<page.entries {
            let node = page.node(index)
            if index == 0 {
                try advance(to: page.bytes(at: node.keyOffset, count: node.keyBytes), number)
            } else if kind == .freeList
                ? page.integer(UInt64.self, at: page.node(index - 1).keyOffset)
                    >= page.integer(UInt64.self, at: node.keyOffset)
                : page.compare(page.node(index - 1), node) >= 0
            {
                throw damage(number, "its keys are out of order")
            }
            try checkValue(of: node, page, number)
        }
        let node = page.node(page.entries - 1)
        (last, isSeparator) = (page.bytes(at: node.keyOffset, count: node.keyBytes), false)
    }

    /// Sees that a key comes after the last one of the pages before.
    private func advance(to key: [UInt8], _ number: UInt64) throws {
        guard let last else { return }
        let isAfter: Bool
        if kind == .freeList {
            let (key, last) = (Self.integer(key), Self.integer(last))
            isAfter = isSeparator ? key >= last : key > last
        } else {
            isAfter = isSeparator ? !key.lexicographicallyPrecedes(last) : last.lexicographicallyPrecedes(key)
        }
        guard isAfter else { throw damage(number, "its keys belong before those of the page before it") }
    }

    private static func integer(_ key: [UInt8]) -> UInt64 {
        key.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    // MARK: Nodes

    /// Sees that every node lies between the page's free space and its end, and none within another.
    private func checkNodes(of page: PageView, _ number: UInt64, isLeaf: Bool) throws {
        for index in 0..<page.entries {
            let offset = page.offset(of: index)
            guard offset >= page.upper, offset % 2 == 0, offset + PageView.nodeBytes <= pageBytes else {
                throw damage(number, "entry \(index) lies outside it")
            }
            let node = page.node(index)
            guard offset + node.size(isLeaf: isLeaf) <= pageBytes else {
                throw damage(number, "entry \(index) reaches beyond its end")
            }
            // The first key of a branch is never looked at.
            let shortest = isLeaf || index > 0 ? 1 : 0
            let isSound =
                kind == .freeList && node.keyBytes > 0
                ? node.keyBytes == MemoryLayout<UInt64>.size
                : (shortest...Environment.maximumKeyBytes).contains(node.keyBytes)
            guard isSound else { throw damage(number, "entry \(index) has a key of \(node.keyBytes) bytes") }
            sizes[offset / 2] = UInt16(node.size(isLeaf: isLeaf))
        }
        var found = 0
        var offset = page.upper
        while offset < pageBytes {
            let size = Int(sizes[offset / 2])
            sizes[offset / 2] = 0
            if size > 0 { found += 1 }
            // Where no node begins there may be a gap.
            offset += size > 0 ? size + size % 2 : 2
        }
        // What was stepped over lies within another, and the check ends there: `sizes` needs no cleaning.
        guard found == page.entries else { throw damage(number, "its entries overlap") }
    }

    private func checkValue(of node: PageNode, _ page: PageView, _ number: UInt64) throws {
        switch node.flags {
        case 0: if kind == .freeList { try claimFree(node, page, at: node.valueOffset, number) }
        case PageNode.big: try checkOverflow(of: node, page, number)
        case PageNode.table where kind == .directory && node.valueBytes == TreeRecord.bytes:
            let start = node.valueOffset
            let record = TreeRecord(
                flags: page.integer(at: start + 4), depth: page.integer(at: start + 6),
                entries: page.integer(at: start + 32), root: page.integer(at: start + 40))
            let key = page.bytes(at: node.keyOffset, count: node.keyBytes)
            tables.append((String(decoding: key, as: UTF8.self), record))
        default: throw damage(number, "an entry has flags \(node.flags)")
        }
    }

    private func checkOverflow(of node: PageNode, _ page: PageView, _ number: UInt64) throws {
        let first = page.integer(UInt64.self, at: node.valueOffset)
        let bytes = PageView.headerBytes + node.valueBytes
        let needed = (bytes + pageBytes - 1) / pageBytes
        guard first >= 2, first < end, UInt64(needed) <= end - first else {
            throw damage(number, "a value lies on page \(first), outside the file")
        }
        guard try header.read(descriptor, at: Int(first) * pageBytes, size: header.count, path: path),
            header.number == first, header.flags == PageView.overflow
        else { throw damage(first, "it is not the value that page \(number) says it is") }
        guard header.overflowPages >= needed, UInt64(header.overflowPages) <= end - first else {
            throw damage(first, "a value of \(node.valueBytes) bytes can't take \(header.overflowPages) pages")
        }
        try claim(first, UInt64(header.overflowPages), from: number)
        guard kind == .freeList else { return }
        let whole = PageView(count: bytes)
        guard try whole.read(descriptor, at: Int(first) * pageBytes, size: bytes, path: path) else {
            throw damage(first, "the file ends within it")
        }
        try claimFree(node, whole, at: PageView.headerBytes, first)
    }

    // MARK: Who has a page

    /// A list of free pages is a count and as many page numbers, the largest first.
    private func claimFree(_ node: PageNode, _ page: PageView, at start: Int, _ number: UInt64) throws {
        let count = page.integer(UInt64.self, at: start)
        guard node.valueBytes >= 8, count < UInt64(node.valueBytes / 8) else {
            throw damage(number, "a list of free pages can't hold \(count)")
        }
        var before = UInt64.max
        for index in 0..<Int(count) {
            let free = page.integer(UInt64.self, at: start + 8 + 8 * index)
            guard free >= 2, free <= meta.lastPage, free < before else {
                throw damage(number, "its list of free pages is out of order")
            }
            before = free
            try take(free, from: number)
        }
    }

    private func claim(_ first: UInt64, _ count: UInt64, from number: UInt64) throws {
        guard first >= 2, first < end, count <= end - first else {
            throw damage(number, "\(tree) leads to page \(first), outside the file")
        }
        for page in first..<first + count { try take(page, from: number) }
    }

    private func take(_ page: UInt64, from number: UInt64) throws {
        let (word, bit) = (Int(page / 64), UInt64(1) << (page % 64))
        guard taken[word] & bit == 0 else { throw damage(number, "page \(page) is in use twice, or in use and free") }
        taken[word] |= bit
    }

    // MARK: Words

    private var tree: String {
        switch kind {
        case .freeList: "the list of free pages"
        case .directory: "the directory of tables"
        case .table: "table \(name ?? "")"
        }
    }

    private func damage(_ page: UInt64, _ reason: String) -> OpenRefusal {
        .damaged(path: path, page: page, table: name, reason: "\(tree): \(reason)")
    }
}
