import Testing

/// The scanner that every other rule stands on.
@Suite struct SourceFileTests {
    private func code(_ text: String) -> String {
        String(decoding: SourceFile("A.swift", text).code, as: UTF8.self)
    }

    private func comments(_ text: String) -> String {
        String(decoding: SourceFile("A.swift", text).comments, as: UTF8.self)
    }

    @Test(arguments: [
        ("a // b", "a     "),
        ("a /* b */ c", "a         c"),
        ("a /* b /* c */ d */ e", "a                   e"),
        ("a /* b\nc */ d", "a     \n     d"),
        (#"f("a // b") // c"#, #"f("      ")     "#),
        (#"f("a\"b") + c"#, #"f("    ") + c"#),
        (#"f("a\\") + c"#, #"f("   ") + c"#),
        (#"f("a\(b("c") + d)e") + g"#, #"f(" \(b(" ") + d) ") + g"#),
        (##"f(#"a"b\(c"#) + d"##, ##"f(#"      "#) + d"##),
        (##"f(#"a\#(b)"#) + c"##, ##"f(#" \#(b)"#) + c"##),
        ("f(\"\"\"\n  a \"b\" // c\n  \"\"\") + d", "f(\"\"\"\n            \n  \"\"\") + d"),
        ("a / b / c // d", "a / b / c     "),
        (#"let a = /"\/b"/ // c"#, #"let a = /     /     "#),
        (##"let a = #/"b/c"/# // d"##, ##"let a = #/     /#     "##),
        ("let a = \"b\nlet c = 1", "let a = \" \nlet c = 1"),
        ("é // é\nb", "é      \nb"),
    ])
    func codeKeepsItsPlace(text: String, expected: String) {
        // "é" is two bytes, and so is its blank.
        #expect(code(text) == expected)
    }

    @Test func commentsAreKeptApart() {
        #expect(comments("a // b") == "  // b")
        #expect(comments("f(\"// b\")") == "         ")
        #expect(comments("a /* b\nc */ d") == "  /* b\nc */  ")
    }

    @Test func linesAreCountedFromOne() {
        let file = SourceFile("A.swift", "a\nbc\n\nd\n")
        #expect(file.lineCount == 4)
        #expect([0, 1, 2, 4, 5, 6].map(file.line(at:)) == [1, 1, 2, 2, 3, 4])
        #expect(SourceFile("A.swift", "a\nb").lineCount == 2)
        #expect(SourceFile("A.swift", "").lineCount == 0)
    }

    @Test func aCommentOfBlanksIsNone() {
        let file = SourceFile("A.swift", "// why\na\n//\nb\nc // because\n")
        #expect(file.hasComment(in: 1...2))
        #expect(!file.hasComment(in: 2...4))
        #expect(file.hasComment(in: 5...5))
        #expect(!file.hasComment(in: -2...0))
    }

    @Test func occurrencesAreWholeWords() {
        let bytes = Array("Date() MyDate() Date(x) Date() .random(1)".utf8)
        #expect(occurrences(of: "Date()", in: bytes) == [0, 24])
        #expect(occurrences(of: ".random(", in: bytes) == [31])
        #expect(occurrences(of: "", in: bytes) == [])
    }

    @Test func argumentsReachToTheirOwnParenthesis() {
        let code = Array("f(a(b), c) d)".utf8)
        #expect(String(decoding: argumentText(openedAt: 1, in: code), as: UTF8.self) == "a(b), c")
        #expect(String(decoding: argumentText(openedAt: 1, in: Array("f(a".utf8)), as: UTF8.self) == "a")
    }
}

/// Which bodies count as functions, and how long they are.
@Suite struct FunctionFinderTests {
    private func spans(_ text: String) -> [String] {
        FunctionFinder(SourceFile("A.swift", text)).functions().map { "\($0.name) \($0.firstLine)-\($0.lastLine)" }
    }

    @Test func functionsOfEveryForm() {
        let text = """
            struct A {
                func plain() { }
                func labels(a b: Int, _ c: (Int, Int) -> [String: Int], d: Dictionary<Int, Int> = [:]) -> Int {
                    { 1 }()
                }
                func generic<T: Sequence>(of t: T) throws -> [T.Element]
                where T: Sendable {
                    []
                }
                static func == (lhs: Self, rhs: Self) -> Bool {
                    true
                }
                init?(_ a: Int) {
                    self.init(b: .init(a))
                }
                deinit {
                }
                subscript(at index: Int) -> Int {
                    get { index }
                }
                var computed: (any Error)? {
                    nil
                }
                var stored = [1].map { $0 }
                var plain: Int
                func outer(closure: () -> Void = { }) {
                    func inner() {
                    }
                }
            }
            """
        #expect(
            spans(text) == [
                "plain() 2-2", "labels(a:_:d:) 3-5", "generic(of:) 6-9", "==(lhs:rhs:) 10-12", "init?(_:) 13-15",
                "deinit 16-17", "subscript(at:) 18-20", "computed 21-23", "outer(closure:) 26-29", "inner() 27-28",
            ])
    }

    @Test func requirementsHaveNoBody() {
        let text = """
            protocol A {
                func first() -> Int
                @discardableResult func second<T>(_ t: T) async throws -> @Sendable () -> Void
                init(a: Int)
                var b: Int { get }
            }
            func after() {
            }
            """
        #expect(spans(text) == ["b 5-5", "after() 7-8"])
    }

    @Test func loopVariablesAndLocalsAreNoProperties() {
        let text = """
            func f() {
                var total: Int
                for var x in xs { total = x }
                if case .a(var y) = z { total = y }
                while true { }
            }
            """
        #expect(spans(text) == ["f() 1-6"])
    }

    @Test func bracesInCommentsAndStringsDontCount() {
        let text = """
            func f() {
                // }
                g("}")
            }
            """
        #expect(spans(text) == ["f() 1-4"])
    }
}
