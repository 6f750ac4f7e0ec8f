/// Keys in byte order with their values, in chunks, so that a copy shares what neither side changes.
struct SortedMap: Sendable, Hashable {
    typealias Entry = (key: [UInt8], value: [UInt8])

    private struct Chunk: Sendable, Hashable {
        var keys: [[UInt8]]
        var values: [[UInt8]]
    }

    /// Large enough that the list of chunks stays short, small enough that copying one chunk costs little.
    private static let chunkEntries = 128

    private var chunks: [Chunk] = []
    private(set) var count = 0

    /// The bytes of all keys and values.
    private(set) var bytes = 0

    subscript(key: [UInt8]) -> [UInt8]? {
        let place = place(of: key)
        return place.found ? chunks[place.chunk].values[place.index] : nil
    }

    var last: Entry? {
        chunks.last.flatMap { chunk in
            guard let key = chunk.keys.last, let value = chunk.values.last else { return nil }
            return (key, value)
        }
    }

    mutating func put(_ key: [UInt8], _ value: [UInt8]) {
        bytes += value.count
        let place = place(of: key)
        if place.found {
            bytes -= chunks[place.chunk].values[place.index].count
            chunks[place.chunk].values[place.index] = value
            return
        }
        bytes += key.count
        count += 1
        guard !chunks.isEmpty else {
            chunks.append(Chunk(keys: [key], values: [value]))
            return
        }
        if place.chunk == chunks.count - 1, place.index == chunks[place.chunk].keys.count,
            place.index >= Self.chunkEntries
        {
            chunks.append(Chunk(keys: [key], values: [value]))
            return
        }
        chunks[place.chunk].keys.insert(key, at: place.index)
        chunks[place.chunk].values.insert(value, at: place.index)
        if chunks[place.chunk].keys.count > Self.chunkEntries { split(place.chunk) }
    }

    mutating func remove(_ key: [UInt8]) -> Bool {
        let place = place(of: key)
        guard place.found else { return false }
        bytes -= key.count + chunks[place.chunk].values[place.index].count
        count -= 1
        chunks[place.chunk].keys.remove(at: place.index)
        chunks[place.chunk].values.remove(at: place.index)
        if chunks[place.chunk].keys.isEmpty { chunks.remove(at: place.chunk) }
        return true
    }

    /// Visits entries from the first key at or after `start`, or backwards from the last key at or before it.
    func scan(from start: [UInt8]?, reversed: Bool, _ visit: (Entry) throws -> Bool) rethrows {
        guard !chunks.isEmpty else { return }
        var chunk = reversed ? chunks.count - 1 : 0
        var index = reversed ? chunks[chunk].keys.count - 1 : 0
        if let start {
            let place = place(of: start)
            (chunk, index) = (place.chunk, place.index)
            if reversed, !place.found { index -= 1 }
        }
        while true {
            if reversed {
                while index < 0 {
                    chunk -= 1
                    guard chunk >= 0 else { return }
                    index = chunks[chunk].keys.count - 1
                }
            } else {
                while index >= chunks[chunk].keys.count {
                    chunk += 1
                    guard chunk < chunks.count else { return }
                    index = 0
                }
            }
            guard try visit((chunks[chunk].keys[index], chunks[chunk].values[index])) else { return }
            index += reversed ? -1 : 1
        }
    }

    private mutating func split(_ chunk: Int) {
        let half = chunks[chunk].keys.count / 2
        let upper = Chunk(keys: Array(chunks[chunk].keys[half...]), values: Array(chunks[chunk].values[half...]))
        chunks[chunk].keys.removeSubrange(half...)
        chunks[chunk].values.removeSubrange(half...)
        chunks.insert(upper, at: chunk + 1)
    }

    /// Where the key is, or would be.
    private func place(of key: [UInt8]) -> (chunk: Int, index: Int, found: Bool) {
        guard !chunks.isEmpty else { return (0, 0, false) }
        var low = 0
        var high = chunks.count - 1
        while low < high {
            let middle = (low + high) / 2
            if let last = chunks[middle].keys.last, compareBytes(last, key) < 0 {
                low = middle + 1
            } else {
                high = middle
            }
        }
        let keys = chunks[low].keys
        var first = 0
        var end = keys.count
        while first < end {
            let middle = (first + end) / 2
            if compareBytes(keys[middle], key) < 0 { first = middle + 1 } else { end = middle }
        }
        return (low, first, first < keys.count && keys[first] == key)
    }
}

/// Byte order, as the tables have it: negative when `left` comes first.
func compareBytes(_ left: [UInt8], _ right: [UInt8]) -> Int {
    let shared = min(left.count, right.count)
    for index in 0..<shared where left[index] != right[index] {
        return Int(left[index]) - Int(right[index])
    }
    return left.count - right.count
}
