import Foundation

/// A seeded generator, so that two runs of the benchmark write the same bytes (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    mutating func base64(_ count: Int) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        let bytes = (0..<count).map { _ in alphabet[Int(next() % 64)] }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// What steps return: about 100 bytes of JSON.
struct PaymentResult: Codable, Sendable {
    var id: String
    var status: String
    var amount: Int
    var time: Double
    var customer: String

    init(_ generator: inout SeededGenerator) {
        id = generator.base64(12)
        status = ["captured", "pending", "refused"][Int(generator.next() % 3)]
        amount = Int(generator.next() % 100_000)
        time = 1_700_000_000 + Double(generator.next() % 100_000_000) / 1_000
        customer = generator.base64(14)
    }
}

enum PayloadKind: String, CaseIterable, Sendable {
    case string
    case `struct`

    /// Bytes of the JSON that a step stores.
    func encodedBytes() -> Int {
        var generator = SeededGenerator(seed: 1)
        switch self {
        case .string: return 102
        case .struct: return (try? JSONEncoder().encode(PaymentResult(&generator)).count) ?? 0
        }
    }
}
