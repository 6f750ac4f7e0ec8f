import DequeModule
import StepEvents

/// Steps that crashes interrupted before start one at a time, so that only the one that kills the process goes on
/// counting interruptions and its innocent neighbours don't pay for it.
struct TurnQueue {
    struct Turn: Hashable {
        let run: RunNumber
        let step: StepNumber
    }

    /// How long a step keeps the turn to itself; one that has run so long is no longer suspected of killing at once.
    static let limit = Duration.seconds(10)

    private var waiting: Deque<Turn> = []
    private(set) var current: (turn: Turn, id: UInt64)?
    private var nextID: UInt64 = 0

    /// Asks for a turn; returns the one to be granted now, if any.
    mutating func request(_ turn: Turn) -> (turn: Turn, id: UInt64)? {
        waiting.append(turn)
        return grant()
    }

    /// A step has ended; returns the next turn to be granted, if any.
    mutating func end(_ turn: Turn) -> (turn: Turn, id: UInt64)? {
        waiting.removeAll { $0 == turn }
        guard current?.turn == turn else { return nil }
        current = nil
        return grant()
    }

    /// A run leaves memory; returns the next turn to be granted, if any.
    mutating func withdraw(_ run: RunNumber) -> (turn: Turn, id: UInt64)? {
        if !waiting.isEmpty { waiting.removeAll { $0.run == run } }
        guard current?.turn.run == run else { return nil }
        current = nil
        return grant()
    }

    /// The time of a turn is up; returns the next to be granted, if any.
    mutating func expire(_ id: UInt64) -> (turn: Turn, id: UInt64)? {
        guard current?.id == id else { return nil }
        current = nil
        return grant()
    }

    private mutating func grant() -> (turn: Turn, id: UInt64)? {
        guard current == nil, let next = waiting.popFirst() else { return nil }
        nextID += 1
        current = (next, nextID)
        return current
    }
}
