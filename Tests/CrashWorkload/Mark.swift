/// What a worker tells, while it works, to whoever looks after it: one line each, written at the moment it says.
package enum Mark: Hashable, Sendable {
    /// The store is open.
    case ready
    /// `start` returned.
    case started(plan: String, run: String)
    /// A body began or ended.
    case began(plan: String, step: String, attempt: Int)
    case ended(plan: String, step: String, attempt: Int)
    /// What a body found that those before it had recorded; and that the recording of this number returned.
    case sawBeat(plan: String, step: String, beat: Int)
    case beat(plan: String, step: String, beat: Int)
    /// `signal` returned; `run` is `-` when no run got it.
    case signalled(String, run: String)
    /// `result` returned.
    case result(plan: String, value: UInt64)
    /// The store has no room.
    case full
    /// The engine or the opening of the store failed.
    case failed(code: String, retryable: Bool, detail: String)
    /// Everything is done; commits of this life, this last one's included.
    case finished(commits: UInt64)
    /// The store was verified: so many records.
    case verified(records: Int)
    /// Something is wrong with the store.
    case unsound(String)
    /// The history has the start of an attempt, or the success of a step.
    case recordedStart(plan: String, step: String, attempt: Int)
    case recordedSuccess(plan: String, step: String)

    package var line: String {
        switch self {
        case .ready: "ready"
        case .started(let plan, let run): "started \(plan) \(run)"
        case .began(let plan, let step, let attempt): "began \(plan) \(step) \(attempt)"
        case .ended(let plan, let step, let attempt): "ended \(plan) \(step) \(attempt)"
        case .sawBeat(let plan, let step, let beat): "saw-beat \(plan) \(step) \(beat)"
        case .beat(let plan, let step, let beat): "beat \(plan) \(step) \(beat)"
        case .signalled(let name, let run): "signalled \(name) \(run)"
        case .result(let plan, let value): "result \(plan) \(value)"
        case .full: "full"
        case .failed(let code, let retryable, let detail):
            "failed \(code) \(retryable) \(detail.replacing("\n", with: " "))"
        case .finished(let commits): "finished \(commits)"
        case .verified(let records): "verified \(records)"
        case .unsound(let text): "unsound \(text.replacing("\n", with: " "))"
        case .recordedStart(let plan, let step, let attempt): "recorded-start \(plan) \(step) \(attempt)"
        case .recordedSuccess(let plan, let step): "recorded-success \(plan) \(step)"
        }
    }

    /// Reads a line; `nil` when it is none of ours.
    package init?(line: String) {
        let words = line.split(separator: " ", maxSplits: 3).map(String.init)
        switch (words.first, words.count) {
        case ("ready", 1): self = .ready
        case ("started", 3): self = .started(plan: words[1], run: words[2])
        case ("signalled", 3): self = .signalled(words[1], run: words[2])
        case ("full", 1): self = .full
        case ("failed", 4): self = .failed(code: words[1], retryable: words[2] == "true", detail: words[3])
        case ("recorded-success", 3): self = .recordedSuccess(plan: words[1], step: words[2])
        case ("unsound", 2...): self = .unsound(words.dropFirst().joined(separator: " "))
        default:
            guard let number = words.last.flatMap({ UInt64($0) }) else { return nil }
            switch (words[0], words.count) {
            case ("began", 4): self = .began(plan: words[1], step: words[2], attempt: Int(number))
            case ("ended", 4): self = .ended(plan: words[1], step: words[2], attempt: Int(number))
            case ("saw-beat", 4): self = .sawBeat(plan: words[1], step: words[2], beat: Int(number))
            case ("beat", 4): self = .beat(plan: words[1], step: words[2], beat: Int(number))
            case ("recorded-start", 4): self = .recordedStart(plan: words[1], step: words[2], attempt: Int(number))
            case ("result", 3): self = .result(plan: words[1], value: number)
            case ("finished", 2): self = .finished(commits: number)
            case ("verified", 2): self = .verified(records: Int(number))
            default: return nil
            }
        }
    }
}
