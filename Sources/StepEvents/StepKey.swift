/// What identifies a step inside a run: the scope that it was asked for in, the id that the user chose, and how many
/// times this scope had asked for that id before.
///
/// Results are matched by this key on replay, never by position, so steps can be added, removed or reordered under
/// live runs.
public struct StepKey: Hashable, Sendable, CustomStringConvertible {
    /// The path of groups, `""` at the top. Each group's name is one component, escaped.
    public let scope: String
    /// The id that the user chose.
    public let id: String
    /// 0 for the first time that this id was asked for in this scope, then 1, 2 …
    public let occurrence: UInt32

    /// Makes a key.
    ///
    /// - Parameters:
    ///   - scope: the path of groups, `""` at the top.
    ///   - id: the id that the user chose.
    ///   - occurrence: how many times this scope asked for the id before.
    public init(scope: String, id: String, occurrence: UInt32) {
        self.scope = scope
        self.id = id
        self.occurrence = occurrence
    }

    /// The scope, the id and, from the second occurrence on, its number: `items/0/reserve:1`.
    public var description: String {
        let name = scope.isEmpty ? id : "\(scope)/\(id)"
        return occurrence == 0 ? name : "\(name):\(occurrence)"
    }
}

/// The number of a step, a wait or a child inside its run: the sequence number of the event that introduced it.
package struct StepNumber: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let sequence: UInt32

    package init(_ sequence: UInt32) { self.sequence = sequence }

    package var description: String { String(sequence) }

    package static func < (left: StepNumber, right: StepNumber) -> Bool { left.sequence < right.sequence }
}
