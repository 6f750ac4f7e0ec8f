/// How often the engine did, or saw, what no event records.
package struct EngineCounts: Sendable, Hashable {
    /// Tasks of workflow functions that asked for a step after `RunUnwinding`.
    package internal(set) var swallowedUnwindings = 0
    /// Step calls that are never answered, because their function went on asking after `RunUnwinding`.
    package internal(set) var suspendedCalls = 0
}
