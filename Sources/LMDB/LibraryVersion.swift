/// The version of liblmdb that this process has loaded.
package struct LibraryVersion: Equatable, Sendable, CustomStringConvertible {
    package let major: Int
    package let minor: Int
    package let patch: Int

    package init(major: Int, minor: Int, patch: Int) {
        (self.major, self.minor, self.patch) = (major, minor, patch)
    }

    package static var loaded: LibraryVersion { LMDBCalls.version }

    /// 0.9.26 to 0.9.31 destroy shared locks on close while another process may be opening (ITS#9278, taken back by
    /// ITS#10095).
    package var racesOnClose: Bool { major == 0 && minor == 9 && (26...31).contains(patch) }

    package var description: String { "\(major).\(minor).\(patch)" }
}
