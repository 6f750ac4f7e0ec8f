import StepKit

/// What an event says beyond its kind and step, in words.
enum EventDetail {
    static func text(_ event: RecordedEvent) -> String {
        var parts: [String] = []
        if let signal = event.signal { parts.append("signal \(signal)") }
        if let child = event.child { parts.append("run \(child) of \(event.childWorkflow ?? "?")") }
        if let recipient = event.recipient { parts.append("to run \(recipient)") }
        if let outcome = event.outcome { parts.append(outcome) }
        if let until = event.until { parts.append("until \(until)") }
        if let timeout = event.timeoutAt { parts.append("gives up at \(timeout)") }
        if let by = event.by { parts.append("by \(by)") }
        if let reason = event.reason { parts.append(reason) }
        if let parent = event.parent { parts.append("parent \(parent)") }
        if let error = event.error { parts.append("\(error.type): \(error.message)") }
        if let retryAt = event.retryAt { parts.append("again at \(retryAt)") }
        if let data = event.data { parts.append(payload(data)) }
        if let commit = event.commit { parts.append("transaction \(commit.transaction) from \(commit.first)") }
        return parts.joined(separator: ", ")
    }

    static func payload(_ data: [UInt8]) -> String {
        String(validating: data.prefix(400), as: UTF8.self) ?? "\(data.count) bytes"
    }
}
