/// How an attempt can end, by the kind of the event that says so.
enum AttemptEnd: String, CaseIterable {
    case stepSucceeded
    case stepFailed
    case stepInterrupted
    case stepCancelled
}

/// The events, sorted by what the rules ask for.
struct EventIndex {
    /// Attempts started, in the log's order.
    private(set) var starts: [AttemptKey] = []
    /// The final events of each run.
    private(set) var runEnds: [String: [String]] = [:]
    /// What shows that events are missing, doubled or out of order.
    private(set) var disorder: [String] = []

    private var attemptEnds: [AttemptEnd: [AttemptKey]] = [:]

    init(_ events: [EventLine]) {
        var lastLSN: Int?
        var lastSequence: [String: Int] = [:]
        for event in events {
            if let lastLSN, event.lsn <= lastLSN { disorder.append("LSN \(event.lsn) follows LSN \(lastLSN)") }
            lastLSN = event.lsn
            guard let run = event.run else { continue }
            take(event, of: run)

            guard let sequence = event.seq else {
                disorder.append("LSN \(event.lsn) has no sequence number")
                continue
            }
            let expected = lastSequence[run].map { $0 + 1 } ?? 0
            if sequence != expected {
                disorder.append("LSN \(event.lsn) is number \(sequence) of run \(run), not \(expected)")
            }
            lastSequence[run] = sequence
        }
    }

    func ends(_ end: AttemptEnd) -> [AttemptKey] { attemptEnds[end] ?? [] }

    private mutating func take(_ event: EventLine, of run: String) {
        if ["runSucceeded", "runFailed", "runCancelled"].contains(event.kind) {
            runEnds[run, default: []].append(event.kind)
        } else if event.kind == "stepStarted" || AttemptEnd(rawValue: event.kind) != nil {
            guard let attempt = event.attemptKey else {
                disorder.append("LSN \(event.lsn), \(event.kind), does not name its attempt")
                return
            }
            if let end = AttemptEnd(rawValue: event.kind) {
                attemptEnds[end, default: []].append(attempt)
            } else {
                starts.append(attempt)
            }
        }
    }
}
