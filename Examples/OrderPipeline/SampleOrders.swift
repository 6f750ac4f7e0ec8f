import Foundation

/// Invented orders of an invented canteen: what `sample-orders.jsonl` was made from.
enum SampleOrders {
    static let count = 320
    static let seed: UInt64 = 2_026

    static func make(count: Int, seed: UInt64) -> [Order] {
        (1...count).map { number in
            let padding = String(repeating: "0", count: max(0, 4 - String(number).count))
            return make(id: "lantern-\(padding)\(number)", seed: seed)
        }
    }

    /// One JSON object a line, keys in a fixed order.
    static func text(count: Int, seed: UInt64) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try make(count: count, seed: seed)
            .map { String(decoding: try encoder.encode($0), as: UTF8.self) + "\n" }
            .joined()
    }

    private static func make(id: String, seed: UInt64) -> Order {
        var draw = Draw(seed: seed, "order", id)
        var items = (0..<draw.integer(in: 1...4)).map { _ in item(&draw) }
        // One guest in eight wants the same again: an order then names an item twice.
        if draw.integer(in: 1...8) == 1, let first = items.first { items.append(first) }
        return Order(orderID: id, items: items, totalCents: items.reduce(0) { $0 + $1.lineTotalCents })
    }

    private static func item(_ draw: inout Draw) -> OrderItem {
        let dish = draw.element(of: menu)
        let quantity = draw.integer(in: 1...6) == 1 ? draw.integer(in: 2...4) : 1
        let choice = dish.choices.isEmpty ? nil : draw.element(of: dish.choices)
        return OrderItem(name: dish.name, quantity: quantity, lineTotalCents: quantity * dish.cents, choices: choice)
    }

    private static let menu: [(name: String, cents: Int, choices: [String])] = [
        ("Lantern Dumplings", 845, ["leek", "pumpkin", "smoked tofu"]),
        ("Harbour Chowder", 690, ["mild", "peppery"]),
        ("Barley Bowl", 915, ["egg", "halloumi", "no topping"]),
        ("Charred Corn Flatbread", 520, []),
        ("Beetroot Schnitzel", 1_040, ["with mash", "with greens"]),
        ("Buckwheat Pancake", 475, ["plum", "sour cream"]),
        ("Dill Pickle Plate", 310, []),
        ("Oven Squash", 780, ["tahini", "brown butter"]),
        ("Juniper Soda", 265, []),
        ("Cold Rooibos", 240, ["plain", "lemon"]),
        ("Café Miel", 355, ["oat milk", "milk"]),
        ("Poppy Seed Slice", 395, []),
    ]
}
