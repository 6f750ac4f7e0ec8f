/// How the names of nested groups become one scope.
///
/// A component is the group's name with `%`, `/` and `:` written as `%25`, `%2F` and `%3A`, followed by `:n` for the
/// n-th further group of that name in the same parent, so that two groups never share a scope.
package enum ScopePath {
    /// The scope of a group inside `parent`.
    package static func appending(_ name: String, occurrence: UInt32, to parent: String) -> String {
        var component: [UInt8] = []
        for byte in name.utf8 {
            switch byte {
            case UInt8(ascii: "%"): component += Array("%25".utf8)
            case UInt8(ascii: "/"): component += Array("%2F".utf8)
            case UInt8(ascii: ":"): component += Array("%3A".utf8)
            default: component.append(byte)
            }
        }
        let escaped = String(decoding: component, as: UTF8.self)
        let numbered = occurrence == 0 ? escaped : "\(escaped):\(occurrence)"
        return parent.isEmpty ? numbered : "\(parent)/\(numbered)"
    }

    /// How many groups deep `scope` is.
    package static func depth(of scope: String) -> Int {
        scope.isEmpty ? 0 : scope.utf8.reduce(1) { $1 == UInt8(ascii: "/") ? $0 + 1 : $0 }
    }
}
