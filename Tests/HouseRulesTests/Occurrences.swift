import Glibc

/// The offsets in `bytes` at which `needle` stands as words of its own: where it begins or ends with a letter or digit,
/// no further one touches it there.
func occurrences(of needle: String, in bytes: [UInt8]) -> [Int] {
    let wanted = Array(needle.utf8)
    guard let first = wanted.first, let last = wanted.last else { return [] }
    return plainOccurrences(of: wanted, in: bytes).filter { offset in
        let end = offset + wanted.count
        let touchesBefore = isWordByte(first) && offset > 0 && isWordByte(bytes[offset - 1])
        let touchesAfter = isWordByte(last) && end < bytes.count && isWordByte(bytes[end])
        return !touchesBefore && !touchesAfter
    }
}

/// The offsets in `bytes` at which `wanted` stands, inside words too.
func plainOccurrences(of wanted: [UInt8], in bytes: [UInt8]) -> [Int] {
    guard let first = wanted.first, wanted.count <= bytes.count else { return [] }
    var found: [Int] = []
    // memchr, since the same search written in Swift takes minutes over the whole repository in a debug build.
    bytes.withUnsafeBytes { haystack in
        guard let base = haystack.baseAddress else { return }
        let last = haystack.count - wanted.count
        var start = 0
        while start <= last, let hit = memchr(base + start, Int32(first), last - start + 1) {
            let offset = UnsafeRawPointer(hit) - base
            if memcmp(hit, wanted, wanted.count) == 0 { found.append(offset) }
            start = offset + 1
        }
    }
    return found
}

/// What stands between the parenthesis at `open` and its partner, or to the end where it has none.
func argumentText(openedAt open: Int, in code: [UInt8]) -> ArraySlice<UInt8> {
    var depth = 0
    for offset in open..<code.count {
        if code[offset] == UInt8(ascii: "(") { depth += 1 }
        if code[offset] == UInt8(ascii: ")") { depth -= 1 }
        if depth == 0 { return code[(open + 1)..<max(offset, open + 1)] }
    }
    return code[min(open + 1, code.count)...]
}
