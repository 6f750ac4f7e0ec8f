/// Log sequence number: the place of an event in its store's log. Dense, from 1; the only global order there is.
public struct LSN: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The number itself. Zero stands before the first event.
    public let value: UInt64

    /// Makes a log sequence number.
    ///
    /// - Parameter value: the place in the log; 0 stands before the first event.
    public init(_ value: UInt64) { self.value = value }

    /// Before the first event.
    public static let zero = LSN(0)

    /// After it there is none.
    package static let last = LSN(.max)

    /// The place after this one; the last one itself, after which there is none. Numbers come from users and from disks.
    package var next: LSN { self == .last ? self : LSN(value + 1) }

    /// The number in decimal digits.
    public var description: String { String(value) }

    /// Orders events as the log does.
    public static func < (left: LSN, right: LSN) -> Bool { left.value < right.value }
}
