import Foundation
import Testing

@testable import OrderPipeline

@Suite struct OrderFileTests {
    private func line(_ id: String, cents: Int = 100) -> String {
        #"{"orderID":"\#(id)","items":[{"name":"Soup","quantity":1,"lineTotalCents":\#(cents)}],"totalCents":\#(cents)}"#
    }

    /// Their sum is more than any number can hold.
    static let hugeQuantities: String = {
        let item = #"{"name":"a","quantity":4611686018427387904,"lineTotalCents":0}"#
        return #"{"orderID":"x","items":[\#(item),\#(item)],"totalCents":0}"#
    }()

    @Test func sumsStopAtTheLargestNumber() {
        #expect(total([1, 2, 3]) == 6)
        #expect(total([.max, 1, 5]) == .max)
    }

    private func parse(_ lines: String...) -> OrderFile {
        OrderFile(parsing: Data(lines.joined(separator: "\n").utf8))
    }

    @Test func readsEachLine() {
        let file = parse(line("a"), line("b", cents: 250))
        #expect(file.orders.map(\.orderID) == ["a", "b"])
        #expect(file.totalCents == 350)
        #expect(file.problems.isEmpty)
    }

    @Test func readsChoicesAndKeepsThem() throws {
        let text =
            #"{"orderID":"a","items":[{"name":"B","quantity":2,"lineTotalCents":4,"choices":"[x]"}],"totalCents":4}"#
        let order = try #require(parse(text).orders.first)
        #expect(order.items == [OrderItem(name: "B", quantity: 2, lineTotalCents: 4, choices: "[x]")])
        #expect(try JSONDecoder().decode(Order.self, from: JSONEncoder().encode(order)) == order)
    }

    @Test func skipsBlankLinesAndBearsCarriageReturns() {
        let file = parse("", line("a") + "\r", "  \t", line("b") + "\r", "\r", "")
        #expect(file.orders.count == 2)
        #expect(file.problems.isEmpty)
    }

    @Test(arguments: [
        ("{\"orderID\":", "not valid JSON"),
        ("[1, 2]", "not a JSON object"),
        ("{\"items\":[],\"totalCents\":0}", "orderID is missing"),
        ("{\"orderID\":\"x\",\"items\":[{\"name\":\"a\"}],\"totalCents\":0}", "items.[0].quantity is missing"),
        ("{\"orderID\":\"x\",\"items\":[],\"totalCents\":\"0\"}", "totalCents is not of type Int"),
        ("{\"orderID\":\"x\",\"items\":null,\"totalCents\":0}", "items is not of type"),
        ("{\"orderID\":\"\",\"items\":[],\"totalCents\":0}", "orderID is empty"),
        ("{\"orderID\":\"x\",\"items\":[],\"totalCents\":-1}", "an amount is not between"),
        ("{\"orderID\":\"x\",\"items\":[],\"totalCents\":9223372036854775807}", "an amount is not between"),
        ("{\"orderID\":\"x\",\"items\":[],\"totalCents\":92233720368547758070}", "a number in it is not whole"),
        ("{\"orderID\":\"x\",\"items\":[],\"totalCents\":1.5}", "a number in it is not whole"),
        (OrderFileTests.hugeQuantities, "a quantity is not between 0 and 1000000"),
    ])
    func reportsABadLineByNumberAndGoesOn(bad: String, reason: String) {
        let file = parse(line("a"), bad, line("b"))
        #expect(file.orders.map(\.orderID) == ["a", "b"])
        #expect(file.problems.map(\.line) == [2])
        #expect(file.problems.first?.reason.contains(reason) == true, "\(file.problems)")
    }

    @Test func reportsAnIDThatIsTooLong() {
        let file = parse(line(String(repeating: "ä", count: 257)), line(String(repeating: "ä", count: 256)))
        #expect(file.orders.count == 1)
        #expect(file.problems == [.init(line: 1, reason: "orderID is longer than 512 bytes")])
    }

    @Test func theFirstOfTwoOrdersWithOneIDCounts() {
        let file = parse(line("a", cents: 1), line("b"), line("a", cents: 2))
        #expect(file.orders.map(\.totalCents) == [1, 100])
        #expect(file.problems.map(\.description) == ["line 3: orderID a stands on line 1 already; that one counts"])
    }

    @Test func bytesThatAreNotUTF8AreABadLine() {
        let file = OrderFile(parsing: Data([0xff, 0xfe, 0x0a] + Array(line("a").utf8)))
        #expect(file.orders.count == 1)
        #expect(file.problems.map(\.line) == [1])
    }

    @Test func aMissingFileIsAClearError() {
        let error = #expect(throws: PipelineError.self) { try OrderFile.bytes(at: "/nowhere/orders.jsonl") }
        #expect(error?.description == "cannot read the orders in /nowhere/orders.jsonl: No such file or directory")
    }

    @Test func aDirectoryIsAClearError() {
        let error = #expect(throws: PipelineError.self) { try OrderFile.bytes(at: "/tmp") }
        #expect(error?.description == "cannot read the orders in /tmp: Is a directory")
    }
}

@Suite struct SampleOrdersTests {
    private let path = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Examples/OrderPipeline/sample-orders.jsonl")

    @Test func theSampleIsWhatTheGeneratorMakes() throws {
        let text = try SampleOrders.text(count: SampleOrders.count, seed: SampleOrders.seed)
        #expect(try String(contentsOf: path, encoding: .utf8) == text)
    }

    @Test func theSampleIsLargeAndNamesItemsTwice() throws {
        let file = OrderFile(parsing: try Data(contentsOf: path))
        #expect(file.problems.isEmpty)
        #expect(file.orders.count >= 200)
        let twice = file.orders.filter { Set($0.items.map(\.name)).count < $0.items.count }
        #expect(twice.count >= 20)
        #expect(file.orders.allSatisfy { $0.totalCents == $0.items.reduce(0) { $0 + $1.lineTotalCents } })
    }

    @Test func anotherSeedMakesOtherOrders() throws {
        #expect(SampleOrders.make(count: 5, seed: 1) != SampleOrders.make(count: 5, seed: 2))
        #expect(SampleOrders.make(count: 5, seed: 1) == SampleOrders.make(count: 5, seed: 1))
    }
}
