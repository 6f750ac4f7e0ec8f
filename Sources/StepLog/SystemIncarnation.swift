/// Where the incarnation of a store comes from when it is not a test's. The only file of this module that draws random
/// numbers: two lives of a store must never share one.
enum SystemIncarnation {
    @Sendable static func next() -> UInt64 {
        var generator = SystemRandomNumberGenerator()
        return generator.next()
    }
}
