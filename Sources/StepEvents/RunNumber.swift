/// The short name of a run inside one store: dense, from 1, in the order in which runs were accepted.
///
/// Number 0 is the store itself: events that belong to no run (commit records, kept signals) carry it.
package struct RunNumber: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let value: UInt64

    package init(_ value: UInt64) { self.value = value }

    /// The owner of events that belong to no run.
    package static let store = RunNumber(0)

    /// The number after this one, unless it is the last that there is. Numbers come from disks.
    package var next: RunNumber? { value == .max ? nil : RunNumber(value + 1) }

    package var description: String { "#\(value)" }

    package static func < (left: RunNumber, right: RunNumber) -> Bool { left.value < right.value }
}
