#if canImport(Glibc)
    import Glibc
#endif

/// The system's allocator.
package enum SystemMemory {
    /// Gives pages that hold nothing back to the system, where the C library can: what thousands of parked runs leave
    /// behind would otherwise count as used for ever.
    @Sendable
    package static func trim() {
        #if canImport(Glibc)
            guard let function = mallocTrim else { return }
            _ = function(0)
        #endif
    }

    #if canImport(Glibc)
        package static var canTrim: Bool { mallocTrim != nil }

        /// Looked up, because Swift's Glibc module does not show it and another C library may stand in for glibc.
        private static var mallocTrim: (@convention(c) (Int) -> CInt)? {
            dlsym(nil, "malloc_trim").map { unsafeBitCast($0, to: (@convention(c) (Int) -> CInt).self) }
        }
    #endif
}
