package import StepEvents

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Between users' values and stored bytes: JSON with sorted keys, so that equal values give equal bytes.
package enum PayloadCoder {
    // One of each for all: they may be used from several threads at once, and making one costs a fifth of a use.
    private static let encoder = {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }()
    private static let decoder = JSONDecoder()

    /// Encodes a value.
    ///
    /// Strings, booleans and integers take a short way, since `JSONEncoder` costs more than all else in a step.
    package static func encode<Value: Encodable>(_ value: Value) throws -> Payload {
        if let text = value as? String { return Payload(jsonString(text)) }
        if let number = value as? Int { return Payload(json: String(number)) }
        if let flag = value as? Bool { return Payload(json: flag ? "true" : "false") }
        return Payload(Array(try encoder.encode(value)))
    }

    /// Decodes a value of the given type.
    package static func decode<Value: Decodable>(_ type: Value.Type, from payload: Payload) throws -> Value {
        if type == String.self, let text = plainString(payload.bytes) as? Value { return text }
        return try decoder.decode(type, from: Data(payload.bytes))
    }

    /// Whether a value of this type is, by construction, exactly what decoding its encoded form gives.
    package static func roundTripsExactly<Value>(_ type: Value.Type) -> Bool {
        type == String.self || type == Int.self || type == Bool.self
    }

    /// Whether two payloads stand for equal values of a type: by what `==` says, or else by how this process encodes
    /// them, for the order in which sets are encoded is not the same in another.
    package static func areEqual<Value: Codable>(_ left: Payload, _ right: Payload, as type: Value.Type) -> Bool {
        if left == right { return true }
        guard let left = try? decode(type, from: left), let right = try? decode(type, from: right) else { return false }
        if let left = left as? any Equatable { return isEqual(left, to: right) }
        guard let left = try? encode(left), let right = try? encode(right) else { return false }
        return left == right
    }

    private static func isEqual<Value: Equatable>(_ left: Value, to right: Any) -> Bool { right as? Value == left }

    /// What kind of JSON a payload is, for messages.
    package static func kind(of payload: Payload) -> String {
        guard let first = payload.bytes.first else { return "nothing" }
        return switch first {
        case UInt8(ascii: "{"): "an object"
        case UInt8(ascii: "["): "an array"
        case UInt8(ascii: "\""): "a string"
        case UInt8(ascii: "t"), UInt8(ascii: "f"): "a boolean"
        case UInt8(ascii: "n"): "null"
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): "a number"
        default: "no JSON"
        }
    }

    private static func jsonString(_ text: String) -> [UInt8] {
        var text = text
        return text.withUTF8 { utf8 in
            var bytes: [UInt8] = []
            bytes.reserveCapacity(utf8.count + 2)
            bytes.append(UInt8(ascii: "\""))
            for byte in utf8 {
                switch byte {
                case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                    bytes.append(UInt8(ascii: "\\"))
                    bytes.append(byte)
                case 0..<0x20:
                    bytes += Array("\\u00".utf8)
                    bytes.append(hexDigit(byte >> 4))
                    bytes.append(hexDigit(byte & 0xF))
                default: bytes.append(byte)
                }
            }
            bytes.append(UInt8(ascii: "\""))
            return bytes
        }
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }

    /// The text of a JSON string without escapes; `nil` leaves it to the decoder.
    private static func plainString(_ json: [UInt8]) -> String? {
        guard json.count >= 2, json.first == UInt8(ascii: "\""), json.last == UInt8(ascii: "\"") else { return nil }
        let inner = json[1..<json.count - 1]
        guard !inner.contains(where: { $0 == UInt8(ascii: "\\") || $0 == UInt8(ascii: "\"") || $0 < 0x20 }) else {
            return nil
        }
        return String(validating: inner, as: UTF8.self)
    }
}
