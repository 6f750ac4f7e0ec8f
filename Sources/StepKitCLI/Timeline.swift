import StepKit

/// What happened in a run, one row for each attempt, wait and turn of the run itself, in the order in which they began.
struct Timeline {
    private struct Entry {
        var began: Timestamp
        var ended: Timestamp?
        var step: String
        var attempt: UInt32?
        var text: String
        var heartbeats = 0
        /// When the last one came, and what it said.
        var lastHeartbeat = ""
    }

    private let start: Timestamp
    private var entries: [Entry] = []
    /// Where the entry of a step stands that has not ended.
    private var open: [StepKey: Int] = [:]

    /// - Parameter start: when the run was accepted; times are told from there.
    init(start: Timestamp) { self.start = start }

    mutating func take(_ event: RecordedEvent) {
        guard let step = event.step else {
            if ["runSucceeded", "runFailed", "runCancelled"].contains(event.kind) { cutOff(at: event.time) }
            return add(event, "")
        }
        switch event.kind {
        case "stepStarted", "slept", "waitStarted", "invokeStarted", "signalSent":
            open[step] = entries.count
            add(event, step.description)
        case "signalRejected", "signalQueued": add(event, step.description)
        case "stepHeartbeat": if let index = open[step] { note(event, of: &entries[index]) }
        default: end(step, event)
        }
    }

    /// The rows for a table of the columns AT, TOOK, STEP, TRY, WHAT.
    var rows: [[String]] {
        entries.map { entry in
            [
                "+" + durationText(from: start, to: entry.began),
                entry.ended.map { durationText(from: entry.began, to: $0) } ?? "",
                entry.step, entry.attempt.map { "\($0)" } ?? "", shortened(Self.text(entry), to: 100),
            ]
        }
    }

    /// An attempt may tell of its progress very often, so that belongs into its row.
    private func note(_ event: RecordedEvent, of entry: inout Entry) {
        entry.heartbeats += 1
        entry.lastHeartbeat = TimelineText.heartbeat(event, since: start)
    }

    private static func text(_ entry: Entry) -> String {
        switch entry.heartbeats {
        case 0: entry.text
        case 1: "\(entry.text); heartbeat \(entry.lastHeartbeat)"
        default: "\(entry.text); \(entry.heartbeats) heartbeats, the last \(entry.lastHeartbeat)"
        }
    }

    private mutating func add(_ event: RecordedEvent, _ step: String) {
        entries.append(
            Entry(
                began: event.time, ended: nil, step: step, attempt: event.attempt,
                text: TimelineText.beginning(event, since: start)))
    }

    private mutating func end(_ step: StepKey, _ event: RecordedEvent) {
        let text = TimelineText.end(event, since: start)
        if let index = open.removeValue(forKey: step) {
            entries[index].ended = event.time
            // What was sent or asked of whom stands in the beginning alone.
            let keepsBeginning = ["waitResolved", "waitTimedOut", "invokeFinished", "signalDelivered", "waitCancelled"]
            entries[index].text = keepsBeginning.contains(event.kind) ? "\(entries[index].text): \(text)" : text
        } else {
            // The attempt was interrupted before, and the step is ended without another.
            entries.append(
                Entry(began: event.time, ended: nil, step: step.description, attempt: event.attempt, text: text))
        }
    }

    /// The run ended over what was still going on.
    private mutating func cutOff(at time: Timestamp) {
        for index in open.values {
            entries[index].ended = time
            entries[index].text += ", ended with the run"
        }
        open = [:]
    }
}

/// The words of a timeline.
enum TimelineText {
    /// What an event says that begins something, or stands for itself.
    static func beginning(_ event: RecordedEvent, since start: Timestamp) -> String {
        switch event.kind {
        case "runStarted": "run started" + data(event)
        case "runSucceeded": "run succeeded" + data(event)
        case "runFailed": "run failed" + error(event)
        case "runCancelled": "run cancelled"
        case "runAttemptFailed": "workflow threw" + error(event) + again(event, since: start)
        case "runCancelRequested":
            "to be cancelled, asked by \(event.by ?? "?")" + (event.reason.map { $0.isEmpty ? "" : ": \($0)" } ?? "")
        case "runHeld": "held" + error(event)
        case "runResumed": "resumed"
        case "stepStarted": "running"
        case "slept": "sleeps until \(event.until?.description ?? "?")"
        case "waitStarted": "signal \(event.signal ?? "?")" + limit(event)
        case "invokeStarted":
            "run \(event.child?.description ?? "?") of \(event.childWorkflow ?? "?")" + limit(event)
        case "signalSent": "sends signal \(event.signal ?? "?")" + data(event)
        case "signalRejected": "signal rejected" + error(event)
        case "signalQueued": "signal came, the run could not go on" + data(event)
        default: event.kind
        }
    }

    /// What an event says that ends what another began.
    static func end(_ event: RecordedEvent, since start: Timestamp) -> String {
        switch event.kind {
        case "stepSucceeded": "succeeded" + data(event)
        case "stepFailed": "failed" + error(event) + again(event, since: start)
        case "stepInterrupted":
            switch event.reason {
            case "notBegun": "shut down before it began"
            case "inspection": "inspected for what it had done"
            case let reason: "interrupted by \(reason ?? "?")"
            }
        case "stepCancelled": "cancelled"
        case "woke": "slept"
        case "waitResolved": "came" + data(event)
        case "waitTimedOut": "did not come in time"
        case "waitCancelled": "cancelled"
        case "invokeFinished":
            (event.outcome == "timedOut" ? "no end in time" : event.outcome ?? "?") + data(event)
                + error(event)
        case "signalDelivered": event.recipient.map { "to run \($0)" } ?? "nobody waited"
        default: event.kind
        }
    }

    static func heartbeat(_ event: RecordedEvent, since start: Timestamp) -> String {
        "at +\(durationText(from: start, to: event.time))" + data(event)
    }

    private static func data(_ event: RecordedEvent) -> String {
        event.data.map { ", \(EventDetail.payload($0))" } ?? ""
    }

    private static func error(_ event: RecordedEvent) -> String {
        event.error.map { ": \($0.type): \($0.message)" } ?? ""
    }

    private static func limit(_ event: RecordedEvent) -> String {
        event.timeoutAt.map { ", gives up at \($0)" } ?? ""
    }

    private static func again(_ event: RecordedEvent, since start: Timestamp) -> String {
        event.retryAt.map { ", again at +\(durationText(from: start, to: $0))" } ?? ", for good"
    }
}
