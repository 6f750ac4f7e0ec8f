import StepEvents

/// What the table `meta` says of the store as a whole.
struct StoreMeta: Hashable {
    static let magic = Array("STEPKIT\0".utf8)
    /// The version of the format that this code writes and reads. No other is read before the first release.
    static let version: UInt16 = 3
    /// One bit for each thing that changes how stored bytes are read. None yet.
    static let knownFeatures: UInt64 = 0

    var version = Self.version
    var features = Self.knownFeatures
    var pageBytes: UInt32
    /// The version of liblmdb that made the store.
    var library: String
    var createdAt: Timestamp

    func encoded() -> [UInt8] {
        var writer = ByteWriter(reserving: 48)
        writer.bytes += Self.magic
        writer.fixed(version)
        writer.fixed(features)
        writer.fixed(pageBytes)
        writer.time(createdAt)
        writer.text(library)
        return writer.bytes
    }

    static func decode(_ bytes: [UInt8]?) throws(StoreError) -> StoreMeta {
        guard let bytes, bytes.starts(with: magic) else {
            throw StoreError(.foreign, "the database is not a store of this library", table: .meta)
        }
        do {
            var reader = ByteReader(bytes[magic.count...])
            let version = try reader.fixed(UInt16.self)
            let features = try reader.fixed(UInt64.self)
            guard version <= Self.version, features & ~knownFeatures == 0 else {
                throw StoreError(
                    .newerFormat,
                    "the store has format \(version) with features 0x\(String(features, radix: 16));"
                        + " this version knows format \(Self.version) with features 0x\(String(knownFeatures, radix: 16))",
                    table: .meta)
            }
            guard version == Self.version else {
                throw StoreError(
                    .olderFormat, "the store has format \(version); this version reads format \(Self.version) alone",
                    table: .meta)
            }
            let pageBytes = try reader.fixed(UInt32.self)
            let createdAt = try reader.time()
            let library = try reader.text("library version", limit: 64)
            try reader.finish()
            return StoreMeta(
                version: version, features: features, pageBytes: pageBytes, library: library, createdAt: createdAt)
        } catch let error as StoreError {
            throw error
        } catch {
            throw StoreError(.damaged, "the format row can't be decoded: \(error)", table: .meta)
        }
    }
}

extension ReadTables {
    /// A 64-bit number of `meta`, little-endian.
    func metaNumber(_ key: [UInt8]) throws -> UInt64? {
        guard let bytes = try get(.meta, key) else { return nil }
        guard bytes.count == 8 else {
            throw StoreError(.damaged, "\(String(decoding: key, as: UTF8.self)) has \(bytes.count) bytes", table: .meta)
        }
        return bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
    }
}

func metaBytes(_ number: UInt64) -> [UInt8] { withUnsafeBytes(of: number.littleEndian) { Array($0) } }
