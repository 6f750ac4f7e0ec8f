import Testing

/// One breach of a house rule: where it is, which rule, why the rule exists, and what to do about it.
struct Violation: Equatable, CustomStringConvertible {
    var path: String
    var line: Int
    var rule: String
    var found: String
    var why: String
    var remedy: String

    var description: String {
        "\(path):\(line): \(rule): \(found). Why: \(why). What to do: \(remedy)."
    }
}

/// Records one issue for each violation, so that a run lists them all.
func expectNone(_ violations: [Violation], sourceLocation: SourceLocation = #_sourceLocation) {
    for violation in violations {
        Issue.record("\(violation.description)", sourceLocation: sourceLocation)
    }
}
