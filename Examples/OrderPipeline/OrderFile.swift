import Foundation

/// The orders of a JSON Lines file, and what is wrong with the lines that hold none.
struct OrderFile {
    /// A line that was left out, and why.
    struct Problem: Equatable, CustomStringConvertible {
        var line: Int
        var reason: String
        var description: String { "line \(line): \(reason)" }
    }

    private(set) var orders: [Order] = []
    private(set) var problems: [Problem] = []

    /// Reads every line. Blank lines are skipped; a bad line becomes a problem, and the rest goes on.
    init(parsing data: Data) {
        let decoder = JSONDecoder()
        var lineOfID: [String: Int] = [:]
        let lines = data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() where !line.allSatisfy(isBlank) {
            do {
                let order = try decoder.decode(Order.self, from: line)
                if let flaw = order.flaw {
                    problems.append(Problem(line: index + 1, reason: flaw))
                } else if let first = lineOfID[order.orderID] {
                    let reason = "orderID \(order.orderID) stands on line \(first) already; that one counts"
                    problems.append(Problem(line: index + 1, reason: reason))
                } else {
                    lineOfID[order.orderID] = index + 1
                    orders.append(order)
                }
            } catch {
                problems.append(Problem(line: index + 1, reason: reason(for: error, in: line)))
            }
        }
    }

    var totalCents: Int { total(orders.map(\.totalCents)) }

    /// Reads the bytes of an orders file, or of standard input for `-`.
    static func bytes(at path: String) throws(PipelineError) -> Data {
        do {
            // Not Data(contentsOf:), which refuses pipes and devices.
            let file = path == "-" ? .standardInput : try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            return try file.readToEnd() ?? Data()
        } catch {
            let hint = path == Command.sample ? "; run it from the package's root, or give --orders FILE" : ""
            throw .unreadable(path: path, reason: systemReason(error) + hint)
        }
    }
}

private func isBlank(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
}

private func reason(for error: any Error, in line: Data) -> String {
    func name(_ path: [any CodingKey]) -> String {
        path.map { key in key.intValue.map { "[\($0)]" } ?? key.stringValue }.joined(separator: ".")
    }
    switch error {
    case DecodingError.keyNotFound(let key, let context):
        return "\(name(context.codingPath + [key])) is missing"
    case DecodingError.typeMismatch(let type, let context), DecodingError.valueNotFound(let type, let context):
        let place = name(context.codingPath)
        return place.isEmpty ? "not a JSON object" : "\(place) is not of type \(type)"
    default:
        // JSONDecoder calls 1.5 for an integer broken JSON too; a reader looking for a lost bracket would not thank us.
        let isJSON = (try? JSONSerialization.jsonObject(with: line)) != nil
        return isJSON ? "a number in it is not whole, or too large" : "not valid JSON"
    }
}
