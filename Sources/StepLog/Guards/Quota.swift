/// How much a store may use, and what is refused when it comes near to that.
struct Quota: Hashable, Sendable {
    enum Level: Int, Comparable, Sendable {
        case roomy
        case fillingUp
        case noNewRuns
        case completionsOnly

        static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    }

    var bytes: Int

    /// What is left free on the file system for running work and for compaction, which needs room to make room.
    static func reserve(of space: StoreOptions.Space) -> Int { max(64 << 20, space.totalBytes / 20) }

    /// Whether so little is free that each transaction must have its room set aside: less than what a fast disk takes
    /// between two looks, several times over.
    static func isTight(freeBytes: Int?) -> Bool { freeBytes.map { $0 < 256 << 20 } ?? false }

    /// From where on counting free pages inside the file is worth its cost.
    func isNear(usedBytes: Int) -> Bool { usedBytes >= percent(80) }

    func level(usedBytes: Int, space: StoreOptions.Space?) -> Level {
        if let space, space.freeBytes < Self.reserve(of: space) { return .completionsOnly }
        if usedBytes >= percent(95) { return .completionsOnly }
        if usedBytes >= percent(90) { return .noNewRuns }
        return usedBytes >= percent(80) ? .fillingUp : .roomy
    }

    /// What runs out, and how much room would be enough for everything to be accepted again.
    func shortage(usedBytes: Int, space: StoreOptions.Space?) -> String {
        if let space, space.freeBytes < Self.reserve(of: space) {
            let reserve = Self.reserve(of: space)
            return "the disk has \(space.freeBytes) bytes free, and \(reserve) must stay free for running work: free"
                + " \(reserve - space.freeBytes) bytes on it"
        }
        let over = max(1, usedBytes - percent(90) + 1)
        return "\(usedBytes) bytes of the quota of \(bytes) are in use: free \(over) bytes, or raise the quota by"
            + " \(over / 9 * 10 + 10)"
    }

    private func percent(_ share: Int) -> Int { bytes / 100 * share }
}
