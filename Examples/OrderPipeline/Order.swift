/// One order, as it stands on one line of an orders file.
struct Order: Codable, Sendable, Equatable {
    var orderID: String
    var items: [OrderItem]
    var totalCents: Int
}

/// One line of an order. An order may name the same item twice, with other choices or just once more.
struct OrderItem: Codable, Sendable, Equatable {
    var name: String
    var quantity: Int
    var lineTotalCents: Int
    var choices: String?
}

/// What the payment service answers.
struct Payment: Codable, Sendable {
    var authorization: String
    var cents: Int
}

/// What the warehouse answers, for one item.
struct Reservation: Codable, Sendable {
    var item: String
    var quantity: Int
}

/// What the carrier answers.
struct Shipment: Codable, Sendable {
    var parcel: String
    var pieces: Int
}

/// What a finished order comes to.
struct Receipt: Codable, Sendable {
    var orderID: String
    var parcel: String
    var totalCents: Int
}

extension Order {
    /// Amounts and quantities beyond these are taken for mistakes.
    static let largestCents = 1_000_000_000_000
    static let largestQuantity = 1_000_000
    /// The engine's limit for the key of a run, which is what an order's id becomes.
    static let longestID = 512

    /// Why this cannot be an order, or nil.
    var flaw: String? {
        if orderID.isEmpty { return "orderID is empty" }
        if orderID.utf8.count > Order.longestID { return "orderID is longer than \(Order.longestID) bytes" }
        let amounts = [totalCents] + items.map(\.lineTotalCents)
        if amounts.contains(where: { !(0...Order.largestCents).contains($0) }) {
            return "an amount is not between 0 and \(Order.largestCents) cents"
        }
        if items.contains(where: { !(0...Order.largestQuantity).contains($0.quantity) }) {
            return "a quantity is not between 0 and \(Order.largestQuantity)"
        }
        return nil
    }
}

/// A sum that stops at the largest number instead of trapping: nobody counts the lines of a file, or the items of one.
func total(_ numbers: some Sequence<Int>) -> Int {
    numbers.reduce(0) { sum, number in
        let (result, overflow) = sum.addingReportingOverflow(number)
        return overflow ? .max : result
    }
}
