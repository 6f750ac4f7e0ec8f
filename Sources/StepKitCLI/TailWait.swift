import Glibc

/// The pause between two looks at a log that someone else is writing.
struct TailWait {
    /// How often a live log is looked at, and how seldom an idle one, in milliseconds.
    static let shortest: Int32 = 20
    static let longest: Int32 = 250

    private var milliseconds = Self.shortest

    /// Something was found: look again soon.
    mutating func reset() { milliseconds = Self.shortest }

    /// Waits, longer each time.
    ///
    /// - Returns: false when there is no one left to tell: Ctrl-C, or whoever read the output went away.
    mutating func wait(_ console: Console) -> Bool {
        if Interrupt.wasAsked { return false }
        // Asked for nothing, poll tells only of a closed pipe or terminal.
        var output = pollfd(fd: console.descriptor ?? -1, events: 0, revents: 0)
        let found = poll(&output, 1, milliseconds)
        milliseconds = min(milliseconds * 2, Self.longest)
        return !Interrupt.wasAsked && found <= 0
    }
}
