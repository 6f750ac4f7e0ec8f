package import StepEvents

/// Hashes that are the same in every process and on every machine, unlike `Hasher`. For drawing numbers and deriving
/// ids, never for security.
package struct StableHash: Sendable {
    private var state: UInt64

    package init(seed: UInt64 = 0) { state = seed ^ 0xCBF2_9CE4_8422_2325 }

    /// FNV-1a, 64 bits (Fowler, Noll, Vo).
    package mutating func combine(_ text: String) {
        for byte in text.utf8 { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
        // A text's end counts, so that ("ab", "c") differs from ("a", "bc").
        state = (state ^ 0xFF) &* 0x100_0000_01B3
    }

    package mutating func combine(_ number: UInt64) {
        withUnsafeBytes(of: number.littleEndian) { bytes in
            for byte in bytes { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
        }
    }

    /// The state with its bits spread (the finalizer of SplitMix64, G. Steele et al., 2014).
    package var value: UInt64 { SplitMix64.mix(state) }

    package static func of(seed: UInt64, _ key: StepKey, _ number: UInt64 = 0) -> UInt64 {
        var hash = StableHash(seed: seed)
        hash.combine(key.scope)
        hash.combine(key.id)
        hash.combine(UInt64(key.occurrence))
        hash.combine(number)
        return hash.value
    }

    package static func idempotencyKey(run: RunID, step: StepKey) -> String {
        let high = of(seed: run.high, step, 1)
        let low = of(seed: run.low, step, 2)
        return "\(run)-\(hex(high))\(hex(low))"
    }

    /// What a run recognises a signal by that goes to every waiter. The sender's key may be as long as a key can be.
    package static func deliveryKey(_ key: String, to run: UInt64) -> String {
        let halves = (1...2 as ClosedRange<UInt64>).map { number in
            var hash = StableHash(seed: number)
            hash.combine(key)
            hash.combine(run)
            return hex(hash.value)
        }
        return "all-\(halves[0])\(halves[1])"
    }

    private static func hex(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// A small generator with a known sequence for each seed (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom
/// number generators", 2014).
package struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mix(state)
    }

    package static func mix(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
