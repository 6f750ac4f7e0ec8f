/// Tells Swift code from comments and literals, byte by byte.
///
/// It knows line comments, nested block comments, string literals of every form (multi-line, raw, interpolated: what is
/// interpolated is code again) and regex literals. It doesn't parse; what follows from grammar alone is left to rules.
struct CodeSplitter {
    private enum Context {
        /// Code; inside an interpolation, until the parenthesis that closes it.
        case code(parentheses: Int, interpolated: Bool)
        case string(pounds: Int, multiline: Bool)
    }

    private let text: [UInt8]
    private var position = 0
    private var contexts = [Context.code(parentheses: 0, interpolated: false)]
    /// The last byte of code that is no space: tells whether a `/` can begin a regex literal.
    private var lastCode = UInt8(ascii: "\n")
    private(set) var code: [UInt8]
    private(set) var comments: [UInt8]

    init(_ text: [UInt8]) {
        self.text = text
        code = text.map { $0 == UInt8(ascii: "\n") ? $0 : UInt8(ascii: " ") }
        comments = code
    }

    mutating func split() {
        while position < text.count {
            switch contexts.last {
            case .string(let pounds, let multiline)?: stepInString(pounds: pounds, multiline: multiline)
            case .code(let parentheses, let interpolated)?:
                stepInCode(parentheses: parentheses, interpolated: interpolated)
            case nil: contexts = [.code(parentheses: 0, interpolated: false)]
            }
        }
    }

    private func byte(_ offset: Int) -> UInt8? {
        position + offset < text.count ? text[position + offset] : nil
    }

    private func starts(with other: String, at offset: Int = 0) -> Bool {
        text.dropFirst(position + offset).starts(with: other.utf8)
    }

    private mutating func takeCode(_ count: Int = 1) {
        for _ in 0..<count where position < text.count {
            code[position] = text[position]
            if text[position] != UInt8(ascii: " ") { lastCode = text[position] }
            position += 1
        }
    }

    private mutating func takeComment(while condition: (Self) -> Bool) {
        while position < text.count, condition(self) {
            comments[position] = text[position]
            position += 1
        }
    }

    private mutating func stepInCode(parentheses: Int, interpolated: Bool) {
        // Most bytes begin nothing; told apart first, they make the difference of seconds in a debug build.
        guard [UInt8(ascii: "/"), UInt8(ascii: "\""), UInt8(ascii: "#")].contains(text[position]) else {
            return stepOverPunctuation(parentheses: parentheses, interpolated: interpolated)
        }
        if starts(with: "//") {
            takeComment { $0.text[$0.position] != UInt8(ascii: "\n") }
        } else if starts(with: "/*") {
            takeBlockComment()
        } else if let pounds = poundsBefore(UInt8(ascii: "\"")) {
            let multiline = starts(with: "\"\"\"", at: pounds)
            takeCode(pounds + (multiline ? 3 : 1))
            contexts.append(.string(pounds: pounds, multiline: multiline))
        } else if let pounds = poundsBefore(UInt8(ascii: "/")), pounds > 0 || mayBeginRegex {
            skipRegex(pounds: pounds)
        } else {
            stepOverPunctuation(parentheses: parentheses, interpolated: interpolated)
        }
    }

    private mutating func stepOverPunctuation(parentheses: Int, interpolated: Bool) {
        switch text[position] {
        case UInt8(ascii: "("):
            contexts[contexts.count - 1] = .code(parentheses: parentheses + 1, interpolated: interpolated)
        case UInt8(ascii: ")"):
            if interpolated, parentheses == 0 {
                contexts.removeLast()
            } else {
                contexts[contexts.count - 1] = .code(parentheses: parentheses - 1, interpolated: interpolated)
            }
        default: break
        }
        takeCode()
    }

    private mutating func takeBlockComment() {
        var depth = 0
        repeat {
            let width = starts(with: "/*") || starts(with: "*/") ? 2 : 1
            if width == 2 { depth += starts(with: "/*") ? 1 : -1 }
            let end = position + width
            takeComment { $0.position < end }
        } while depth > 0 && position < text.count
    }

    /// How many `#` stand here before `delimiter`, or nil when something else follows them.
    private func poundsBefore(_ delimiter: UInt8) -> Int? {
        var count = 0
        while byte(count) == UInt8(ascii: "#") { count += 1 }
        return byte(count) == delimiter ? count : nil
    }

    private mutating func stepInString(pounds: Int, multiline: Bool) {
        guard [UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "\n")].contains(text[position]) else {
            position += 1
            return
        }
        let fence = String(repeating: "#", count: pounds)
        if starts(with: "\\" + fence + "(") {
            takeCode(pounds + 2)
            contexts.append(.code(parentheses: 0, interpolated: true))
        } else if starts(with: "\\" + fence) {
            position += pounds + 2
        } else if starts(with: (multiline ? "\"\"\"" : "\"") + fence) {
            contexts.removeLast()
            takeCode(pounds + (multiline ? 3 : 1))
        } else if !multiline, text[position] == UInt8(ascii: "\n") {
            // Not legal Swift; go on as code, so that one slip doesn't hide the rest of the file.
            contexts.removeLast()
            takeCode()
        } else {
            position += 1
        }
    }

    /// Whether a bare `/` here is no division: it follows an opening or an operator, a blank doesn't follow it, and its
    /// line holds another.
    private var mayBeginRegex: Bool {
        guard "(,=:[{!&|?;\n".utf8.contains(lastCode), let next = byte(1), next != UInt8(ascii: " ") else {
            return false
        }
        let rest = text.dropFirst(position + 1).prefix { $0 != UInt8(ascii: "\n") }
        return rest.contains(UInt8(ascii: "/"))
    }

    private mutating func skipRegex(pounds: Int) {
        let end = "/" + String(repeating: "#", count: pounds)
        takeCode(pounds + 1)
        while position < text.count, !starts(with: end) {
            if pounds == 0, text[position] == UInt8(ascii: "\n") { return }
            position += text[position] == UInt8(ascii: "\\") ? 2 : 1
        }
        takeCode(pounds + 1)
    }
}
