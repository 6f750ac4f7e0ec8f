/// Draws that depend on a seed and on names alone, so that every process of the demo, and every rerun, draws alike.
struct Draw {
    private var state: UInt64

    init(seed: UInt64, _ names: String...) {
        // FNV-1a over the names, each closed by a byte that UTF-8 never contains, so that ("ab", "c") and ("a", "bc")
        // differ. Swift's own Hasher would not do: it is seeded anew in every process.
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325 ^ seed
        for name in names {
            for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
            hash = (hash ^ 0xff) &* 0x0000_0100_0000_01b3
        }
        state = hash
    }

    /// The next 64 bits (SplitMix64).
    mutating func bits() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// At least 0, below 1.
    mutating func fraction() -> Double {
        Double(bits() >> 11) / Double(UInt64(1) << 53)
    }

    /// One of the range's integers.
    mutating func integer(in range: ClosedRange<Int>) -> Int {
        let last = range.upperBound - range.lowerBound
        return range.lowerBound + min(last, Int(fraction() * Double(last + 1)))
    }

    /// One of the elements; they must not be empty.
    mutating func element<Element>(of elements: [Element]) -> Element {
        elements[integer(in: 0...(elements.count - 1))]
    }
}
