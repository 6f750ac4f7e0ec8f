import StepKit

/// Text of users for a terminal: characters that would move the cursor or change colours are shown as their numbers.
func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    var result = ""
    for scalar in text.unicodeScalars {
        if isControl(scalar) {
            result += "\\u{\(String(scalar.value, radix: 16))}"
        } else {
            result.unicodeScalars.append(scalar)
        }
    }
    return result
}

private func isControl(_ scalar: UnicodeScalar) -> Bool {
    scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value) || (0x2028...0x202E).contains(scalar.value)
        || (0x2066...0x2069).contains(scalar.value)
}

/// At most `count` characters, the last of which then tells that something is missing.
func shortened(_ text: String, to count: Int) -> String {
    text.count <= count ? text : text.prefix(count - 1) + "…"
}

/// How long something took, in the two units that matter: `7 ms`, `1.275 s`, `3 min 20 s`, `2 d 4 h`.
func durationText(from start: Timestamp, to end: Timestamp) -> String {
    let (difference, overflow) = end.nanoseconds.subtractingReportingOverflow(start.nanoseconds)
    return durationText(nanoseconds: overflow ? .max : difference)
}

func durationText(nanoseconds: Int64) -> String {
    let milliseconds = nanoseconds / 1_000_000
    if milliseconds < 0 { return "-" + durationText(nanoseconds: -max(nanoseconds, -.max)) }
    if milliseconds < 1_000 { return "\(milliseconds) ms" }
    let seconds = milliseconds / 1_000
    if seconds < 60 {
        let rest = String(milliseconds % 1_000)
        return "\(seconds).\(String(repeating: "0", count: 3 - rest.count))\(rest) s"
    }
    if seconds < 3_600 { return two(seconds / 60, "min", seconds % 60, "s") }
    if seconds < 86_400 { return two(seconds / 3_600, "h", seconds / 60 % 60, "min") }
    return two(seconds / 86_400, "d", seconds / 3_600 % 24, "h")
}

private func two(_ first: Int64, _ unit: String, _ second: Int64, _ smaller: String) -> String {
    second == 0 ? "\(first) \(unit)" : "\(first) \(unit) \(second) \(smaller)"
}
