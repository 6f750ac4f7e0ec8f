/// Encoded bytes of a user's value: JSON, unless a codec of the client says otherwise.
package struct Payload: Hashable, Sendable, CustomStringConvertible {
    package let bytes: [UInt8]

    package init(_ bytes: [UInt8]) { self.bytes = bytes }
    package init(json text: String) { bytes = Array(text.utf8) }

    /// What a value of type `Void` is stored as.
    package static let null = Payload(json: "null")

    package var description: String { String(decoding: bytes, as: UTF8.self) }
}
