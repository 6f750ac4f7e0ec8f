import StepCore
import StepEvents

/// The scopes of a run: which groups are open in them, how many of each name there were, and their generators.
struct Scopes {
    private struct Name: Hashable {
        let parent: String
        let name: String
    }

    private let seed: UInt64
    private var counts: [Name: UInt32] = [:]
    private var open: [Name: CallSite] = [:]
    private var names: [String: Name] = [:]
    private var generators: [String: SplitMix64] = [:]

    init(seed: UInt64) { self.seed = seed }

    mutating func openGroup(_ name: String, in parent: String, site: CallSite) throws -> String {
        let key = Name(parent: parent, name: name)
        if let first = open[key] {
            throw AmbiguousStepError(
                scope: parent, id: name, first: first.description, second: site.description)
        }
        let occurrence = counts[key, default: 0]
        counts[key] = occurrence + 1
        open[key] = site
        let scope = ScopePath.appending(name, occurrence: occurrence, to: parent)
        names[scope] = key
        return scope
    }

    mutating func closeGroup(_ scope: String) {
        guard let key = names.removeValue(forKey: scope) else { return }
        open[key] = nil
    }

    mutating func draw(in scope: String) -> UInt64 {
        if generators[scope] == nil {
            var hash = StableHash(seed: seed)
            hash.combine("random")
            hash.combine(scope)
            generators[scope] = SplitMix64(seed: hash.value)
        }
        return generators[scope]?.next() ?? 0
    }
}
