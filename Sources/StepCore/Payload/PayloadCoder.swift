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

    /// Whether two payloads are the same JSON. Payloads are written with sorted keys, so equal bytes will do.
    package static func areEqual(_ left: Payload, _ right: Payload) -> Bool { left == right }

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
