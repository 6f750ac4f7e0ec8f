import StepEvents
import StepLocks

/// What bodies and workflow functions did, in order, for tests that must know how often.
package final class Journal: Sendable {
    private let kept = Locked<[String]>([])
    private let waiting = WaitList()

    package init() {}

    package func note(_ text: String) {
        kept.withLock { $0.append(text) }
        waiting.changed()
    }

    package var notes: [String] { kept.withLock { $0 } }
    package func count(_ text: String) -> Int { notes.count { $0 == text } }

    /// Notes the text and returns how often it was noted by now.
    package func counting(_ text: String) -> Int {
        let count = kept.withLock { notes in
            notes.append(text)
            return notes.count { $0 == text }
        }
        waiting.changed()
        return count
    }

    /// Waits until the notes are such.
    package func until(_ condition: @escaping @Sendable ([String]) -> Bool) async throws {
        try await waiting.wait { [self] in condition(notes) }
    }

    package func until(_ text: String, count: Int = 1) async throws {
        try await until { notes in notes.count { $0 == text } >= count }
    }
}
