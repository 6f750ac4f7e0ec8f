/// Rows in aligned columns, printed a batch at a time: a column only ever gets wider.
struct TextTable {
    private let titles: [String]
    private let alignsRight: [Bool]
    private var widths: [Int]
    private var hasBegun = false

    /// - Parameter titles: one for each column; `>` in front aligns the column to the right.
    init(_ titles: [String]) {
        alignsRight = titles.map { $0.hasPrefix(">") }
        self.titles = titles.map { $0.hasPrefix(">") ? String($0.dropFirst()) : $0 }
        widths = self.titles.map(\.count)
    }

    /// Prints rows, before the first of them the titles. No rows print nothing.
    mutating func add(_ rows: [[String]], to console: Console) throws {
        if rows.isEmpty { return }
        let rows = rows.map { $0.map(printable) }
        for row in rows {
            for (index, cell) in row.enumerated() { widths[index] = max(widths[index], cell.count) }
        }
        if !hasBegun {
            hasBegun = true
            try console.line(line(titles))
        }
        for row in rows { try console.line(line(row)) }
    }

    private func line(_ cells: [String]) -> String {
        var text = ""
        for (index, cell) in cells.enumerated() {
            if index > 0 { text += "  " }
            let space = String(repeating: " ", count: max(0, widths[index] - cell.count))
            text += alignsRight[index] ? space + cell : cell + space
        }
        while text.last == " " { text.removeLast() }
        return text
    }
}
