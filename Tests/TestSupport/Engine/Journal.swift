import StepEvents
import StepLocks

/// What bodies and workflow functions did, in order, for tests that must know how often.
package final class Journal: Sendable {
    private struct State {
        var notes: [String] = []
        var waiting: [(condition: @Sendable ([String]) -> Bool, continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let state = Locked(State())

    package init() {}

    package func note(_ text: String) {
        let met = state.withLock { state in
            state.notes.append(text)
            let notes = state.notes
            let met = state.waiting.filter { $0.condition(notes) }.map(\.continuation)
            state.waiting.removeAll { $0.condition(notes) }
            return met
        }
        for continuation in met { continuation.resume() }
    }

    package var notes: [String] { state.withLock { $0.notes } }
    package func count(_ text: String) -> Int { notes.count { $0 == text } }

    /// Notes the text and returns how often it was noted by now.
    package func counting(_ text: String) -> Int {
        note(text)
        return count(text)
    }

    /// Waits until the notes are such.
    package func until(_ condition: @escaping @Sendable ([String]) -> Bool) async {
        await withCheckedContinuation { continuation in
            let isMet = state.withLock { state in
                if condition(state.notes) { return true }
                state.waiting.append((condition, continuation))
                return false
            }
            if isMet { continuation.resume() }
        }
    }

    package func until(_ text: String, count: Int = 1) async {
        await until { notes in notes.count { $0 == text } >= count }
    }
}
