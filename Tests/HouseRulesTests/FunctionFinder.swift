/// A function, initializer, deinitializer, subscript or computed property that has a body.
struct FunctionSpan: Equatable {
    /// As Swift writes it: `name(label:_:)`; a property's name alone.
    var name: String
    var firstLine: Int
    var lastLine: Int

    var length: Int { lastLine - firstLine + 1 }
}

/// Finds the bodies in a file, from its code bytes alone.
struct FunctionFinder {
    private struct Token {
        var text: String
        var line: Int
    }

    private let tokens: [Token]

    init(_ file: SourceFile) {
        tokens = Self.tokens(of: file)
    }

    private static func tokens(of file: SourceFile) -> [Token] {
        var tokens: [Token] = []
        var word: [UInt8] = []
        var line = 1
        func endWord() {
            if !word.isEmpty { tokens.append(Token(text: String(decoding: word, as: UTF8.self), line: line)) }
            word = []
        }
        for byte in file.code {
            if isWordByte(byte) {
                word.append(byte)
                continue
            }
            endWord()
            switch byte {
            case UInt8(ascii: "\n"): line += 1
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "`"), UInt8(ascii: "\r"): break
            default: tokens.append(Token(text: String(decoding: [byte], as: UTF8.self), line: line))
            }
        }
        endWord()
        return tokens
    }

    func functions() -> [FunctionSpan] {
        tokens.indices.compactMap { index in
            // `.init(…)` and `self.init(…)` are calls.
            if index > 0, tokens[index - 1].text == "." { return nil }
            switch tokens[index].text {
            case "func": return function(at: index, signature: index + 1)
            case "init", "deinit", "subscript": return function(at: index, signature: index)
            case "var": return property(at: index)
            default: return nil
            }
        }
    }

    private func text(_ index: Int) -> String { index < tokens.count ? tokens[index].text : "" }

    /// Words that begin a declaration: the one before had no body, as in a protocol.
    private static let beginsDeclaration: Set<String> = [
        "func", "var", "let", "init", "deinit", "subscript", "typealias", "associatedtype", "struct", "enum", "class",
        "actor", "extension", "protocol", "import", "case", "}", ";",
    ]

    private func function(at start: Int, signature: Int) -> FunctionSpan? {
        var index = signature
        var name = ""
        while index < tokens.count, text(index) != "(", text(index) != "{", name.isEmpty || !isWord(text(index)) {
            // The `<` after a word opens its generic parameters; elsewhere it is part of an operator's name.
            if text(index) == "<", isWord(name) { break }
            name += text(index)
            index += 1
        }
        var depth = 0
        let beginning = index
        while index < tokens.count {
            switch text(index) {
            case "(", "[": depth += 1
            case ")", "]": depth -= 1
            case "{" where depth == 0:
                let labels = argumentLabels(in: beginning..<index)
                return span(named: name + labels, from: start, body: index)
            case let word where depth == 0 && Self.beginsDeclaration.contains(word): return nil
            default: break
            }
            if depth < 0 { return nil }
            index += 1
        }
        return nil
    }

    /// A computed property: its `{` stands on the line where the type ends, with no `=` before it.
    private func property(at start: Int) -> FunctionSpan? {
        var depth = 0
        for index in start + 1..<max(tokens.count, start + 1) {
            let startsLine = tokens[index].line > tokens[index - 1].line
            if depth == 0, startsLine, ![":", ",", "&", ".", "<", ">"].contains(text(index - 1)) { return nil }
            switch text(index) {
            case "(", "[": depth += 1
            case ")", "]": depth -= 1
            case "{" where depth == 0: return span(named: text(start + 1), from: start, body: index)
            case "=" where depth == 0, "in" where depth == 0: return nil
            case let word where depth == 0 && Self.beginsDeclaration.contains(word): return nil
            default: break
            }
            if depth < 0 { return nil }
        }
        return nil
    }

    private func span(named name: String, from start: Int, body: Int) -> FunctionSpan? {
        var depth = 0
        for index in body..<tokens.count {
            if text(index) == "{" { depth += 1 }
            if text(index) == "}" { depth -= 1 }
            if depth == 0 {
                return FunctionSpan(name: name, firstLine: tokens[start].line, lastLine: tokens[index].line)
            }
        }
        return nil
    }

    /// `(label:_:)` of the first parenthesis in `range`, or nothing where there is none.
    private func argumentLabels(in range: Range<Int>) -> String {
        guard let open = range.first(where: { text($0) == "(" }) else { return "" }
        var (labels, depth) = ("", 0)
        for index in open..<range.upperBound {
            if "([{<".contains(text(index)) { depth += 1 }
            // The `>` of an arrow closes nothing.
            if ")]}".contains(text(index)) || text(index) == ">" && text(index - 1) != "-" { depth -= 1 }
            if depth == 0 { break }
            if depth == 1, index == open || text(index) == ",", isWord(text(index + 1)) {
                labels += text(index + 1) + ":"
            }
        }
        return "(\(labels))"
    }

    private func isWord(_ text: String) -> Bool { text.utf8.first.map(isWordByte) ?? false }
}
