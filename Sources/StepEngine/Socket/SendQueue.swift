import DequeModule

/// What waits to be sent over one connection, within a bound.
struct SendQueue {
    private static let chunk = 1 << 16
    private var chunks: Deque<[UInt8]> = []
    /// How much of the first chunk has been sent.
    private var sent = 0
    private(set) var bytes = 0
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    var isEmpty: Bool { bytes == 0 }

    /// Returns false, and takes nothing, when the bound would be passed.
    mutating func append(_ frame: [UInt8]) -> Bool {
        guard bytes + frame.count <= limit else { return false }
        bytes += frame.count
        // Small frames share a chunk, and with it a call of the system.
        if let last = chunks.indices.last, chunks[last].count + frame.count <= Self.chunk {
            chunks[last] += frame
        } else {
            chunks.append(frame)
        }
        return true
    }

    /// Hands the bytes to `send`, which says how many it took, until it takes less than it was given. Returns false when
    /// it says that the connection is broken.
    mutating func drain(_ send: (ArraySlice<UInt8>) -> Int?) -> Bool {
        while let first = chunks.first {
            guard let count = send(first[sent...]) else { return false }
            bytes -= count
            sent += count
            guard sent == first.count else { return true }
            chunks.removeFirst()
            sent = 0
        }
        return true
    }
}
