/// A file of the repository as bytes, with, for Swift sources, the same bytes seen as code alone and as comments alone.
struct SourceFile {
    /// Path from the repository's top, with `/` between components.
    let path: String
    /// The file as it is.
    let text: [UInt8]
    /// As long as `text`: comments and what stands between the quotes of a literal are spaces.
    let code: [UInt8]
    /// As long as `text`: everything but comments is spaces.
    let comments: [UInt8]
    private let lineStarts: [Int]

    init(path: String, text: [UInt8]) {
        self.path = path
        self.text = text
        if path.hasSuffix(".swift") {
            var splitter = CodeSplitter(text)
            splitter.split()
            (code, comments) = (splitter.code, splitter.comments)
        } else {
            (code, comments) = (text, [])
        }
        var starts = [0]
        for (offset, byte) in text.enumerated() where byte == UInt8(ascii: "\n") {
            starts.append(offset + 1)
        }
        lineStarts = starts
    }

    init(_ path: String, _ text: String) {
        self.init(path: path, text: Array(text.utf8))
    }

    var isSwift: Bool { path.hasSuffix(".swift") }

    /// The number of lines, as an editor counts them: the empty rest after a final newline is none.
    var lineCount: Int {
        text.isEmpty || text.last == UInt8(ascii: "\n") ? lineStarts.count - 1 : lineStarts.count
    }

    /// The line, from 1, that holds the byte at `offset`.
    func line(at offset: Int) -> Int {
        var (low, high) = (0, lineStarts.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if lineStarts[middle] <= offset { low = middle } else { high = middle }
        }
        return low + 1
    }

    /// Whether a comment of at least one word touches any line of `lines`.
    func hasComment(in lines: ClosedRange<Int>) -> Bool {
        lines.contains { line in
            guard line >= 1, line <= lineStarts.count else { return false }
            let end = line < lineStarts.count ? lineStarts[line] : comments.count
            return comments[lineStarts[line - 1]..<end].contains(where: isWordByte)
        }
    }
}

/// Whether `byte` can stand inside an identifier. Every byte of a non-ASCII character can.
func isWordByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...0xFF:
        true
    default: false
    }
}
