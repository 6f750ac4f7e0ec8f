import Foundation

/// One order of the input. The checker reads the input by itself and takes nobody's word for what an order is.
struct InputOrder: Decodable {
    struct Item: Decodable {
        var name: String
        var quantity: Int
        var lineTotalCents: Int
    }

    var orderID: String
    var items: [Item]
    var totalCents: Int

    /// Whether the pipeline has to process it: an id that can be a key, amounts and quantities that can be such.
    var isUsable: Bool {
        (1...512).contains(orderID.utf8.count)
            && ([totalCents] + items.map(\.lineTotalCents)).allSatisfy { (0...1_000_000_000_000).contains($0) }
            && items.allSatisfy { (0...1_000_000).contains($0.quantity) }
    }
}

/// One line that an attempt left in the effects file.
struct EffectLine: Decodable {
    var run: String
    var order: String
    var scope: String
    var step: String
    var occurrence: Int
    var attempt: Int
    var totalCents: Int

    var attemptKey: AttemptKey {
        AttemptKey(stepKey: StepKey(run: run, scope: scope, step: step, occurrence: occurrence), attempt: attempt)
    }
}

/// One line of `stepkit runs --json`.
struct RunLine: Decodable {
    var run: String
    var workflow: String
    var key: String?
    var status: String
}

/// One line of `stepkit events --json`. Keys that do not apply to the event are left out there.
struct EventLine: Decodable {
    var lsn: Int
    var kind: String
    var run: String?
    var seq: Int?
    var scope: String?
    var step: String?
    var occurrence: Int?
    var attempt: Int?

    /// The step that the event is about, if it is about one.
    var stepKey: StepKey? {
        guard let run, let scope, let step, let occurrence else { return nil }
        return StepKey(run: run, scope: scope, step: step, occurrence: occurrence)
    }

    var attemptKey: AttemptKey? {
        guard let stepKey, let attempt else { return nil }
        return AttemptKey(stepKey: stepKey, attempt: attempt)
    }
}

/// What names a step.
struct StepKey: Hashable, CustomStringConvertible {
    var run: String
    var scope: String
    var step: String
    var occurrence: Int

    var description: String {
        "step \(scope.isEmpty ? "" : scope + "/")\(step)\(occurrence == 0 ? "" : " (\(occurrence))") of run \(run)"
    }
}

/// What names an attempt.
struct AttemptKey: Hashable, CustomStringConvertible {
    var stepKey: StepKey
    var attempt: Int

    var description: String { "attempt \(attempt) of \(stepKey)" }
}

/// All there is to judge by.
struct Evidence {
    var orders: [InputOrder]
    var effects: [EffectLine]
    var runs: [RunLine]
    var events: [EventLine]
    /// Lines of effects, runs or events that cannot be read.
    var unreadable: [String] = []
    /// Lines of the input that hold no order, or one whose id stood there before.
    var skippedInputLines = 0
}

extension Evidence {
    /// Reads the four files' contents.
    init(orders: Data, effects: Data, runs: Data, events: Data) {
        var unreadable: [String] = []
        func all<Line: Decodable>(_ name: String, _ data: Data, as type: Line.Type) -> [Line] {
            let (lines, bad) = jsonLines(data, as: type)
            unreadable += bad.map { "\(name), line \($0): not what it should be" }
            return lines
        }
        self.init(
            orders: [], effects: all("effects", effects, as: EffectLine.self),
            runs: all("runs", runs, as: RunLine.self), events: all("events", events, as: EventLine.self))
        self.unreadable = unreadable

        let (input, bad) = jsonLines(orders, as: InputOrder.self)
        var seen: Set<String> = []
        self.orders = input.filter { $0.isUsable && seen.insert($0.orderID).inserted }
        skippedInputLines = bad.count + input.count - self.orders.count
    }
}

/// The values of a JSON Lines file, and the numbers of the lines that hold none. Blank lines do not count.
func jsonLines<Line: Decodable>(_ data: Data, as type: Line.Type) -> (values: [Line], bad: [Int]) {
    let decoder = JSONDecoder()
    var values: [Line] = []
    var bad: [Int] = []
    let blanks = Set(" \t\r".utf8)
    let lines = data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() where !line.allSatisfy(blanks.contains) {
        if let value = try? decoder.decode(type, from: line) {
            values.append(value)
        } else {
            bad.append(index + 1)
        }
    }
    return (values, bad)
}
