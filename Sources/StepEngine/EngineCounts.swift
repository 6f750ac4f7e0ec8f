/// How often the engine did, or saw, what no event records.
package struct EngineCounts: Sendable, Hashable {
    /// Runs that left memory before their end.
    package internal(set) var parkedRuns = 0
    package internal(set) var memoryTrims = 0
    /// Tasks of workflow functions that asked for a step after `RunUnwinding`.
    package internal(set) var swallowedUnwindings = 0
    /// Step calls that are never answered, because their function went on asking after `RunUnwinding`.
    package internal(set) var suspendedCalls = 0
}
