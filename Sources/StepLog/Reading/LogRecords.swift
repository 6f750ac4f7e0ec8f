import StepEvents

/// Verified reading of records.
extension ReadTables {
    /// The last record's LSN; zero for an empty log.
    func lastLSN() throws -> LSN {
        var last = LSN.zero
        try scan(.log, from: nil, reversed: true) { key, _ in
            last = try Self.lsn(of: key)
            return false
        }
        return last
    }

    /// The event at an LSN; `nil` when the log has none there.
    func event(at lsn: LSN) throws -> LoggedEvent? {
        guard let record = try get(.log, TableKey.lsn(lsn)) else { return nil }
        return try decode(record, at: lsn)
    }

    func decode(_ record: [UInt8], at lsn: LSN) throws -> LoggedEvent {
        try RecordCodec.decode(record[...], lsn: lsn, chunks: try chunks(of: record, at: lsn))
    }

    /// Visits raw records in LSN order from `start` on, until `visit` returns false.
    func scanLog(from start: LSN, _ visit: (LSN, [UInt8]) throws -> Bool) throws {
        try scan(.log, from: TableKey.lsn(start), reversed: false) { key, value in
            try visit(try Self.lsn(of: key), [UInt8](value))
        }
    }

    /// The payload of a record that keeps it in chunks; `nil` for other records.
    func chunks(of record: [UInt8], at lsn: LSN) throws -> [UInt8]? {
        let header = try RecordCodec.header(of: record[...], lsn: lsn)
        guard header.flags.contains(.chunked) else { return nil }
        var reader = ByteReader(record.dropFirst(header.width))
        let wanted: Int
        do {
            wanted = Int(try reader.fixed(UInt32.self))
            try reader.finish()
        } catch {
            throw StoreError(.damaged, "its length can't be read: \(error)", lsn: lsn, run: header.run, table: .log)
        }
        guard wanted <= Limits.recordBytes else {
            throw StoreError(.damaged, "it claims \(wanted) bytes", lsn: lsn, run: header.run, table: .log)
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(wanted)
        var number: UInt32 = 0
        try scan(.blobs, from: TableKey.chunk(lsn, 0), reversed: false) { key, value in
            guard bytes.count < wanted, key.elementsEqual(TableKey.chunk(lsn, number)) else { return false }
            bytes.append(contentsOf: value)
            number += 1
            return true
        }
        guard bytes.count == wanted else {
            throw StoreError(
                .damaged, "its payload has \(bytes.count) of \(wanted) bytes", lsn: lsn, run: header.run,
                table: .blobs)
        }
        return bytes
    }

    /// Verifies the checksum of a record without decoding it.
    func verifiedHeader(of record: [UInt8], at lsn: LSN) throws -> RecordHeader {
        try RecordCodec.verifiedHeader(of: record[...], lsn: lsn, chunks: try chunks(of: record, at: lsn))
    }

    private static func lsn(of key: UnsafeRawBufferPointer) throws -> LSN {
        var reader = KeyReader(key)
        guard let value = reader.integer(UInt64.self), reader.left == 0, value > 0 else {
            throw StoreError(.damaged, "a key of \(key.count) bytes is not an LSN", table: .log)
        }
        return LSN(value)
    }
}

extension RecordHeader {
    /// Where the run's previous event is; zero for its first.
    func previous(of lsn: LSN) -> LSN {
        previousDistance == 0 || previousDistance >= lsn.value ? .zero : LSN(lsn.value - previousDistance)
    }
}

/// Gives errors of the layers below the form that users of a store see.
func asStoreError<T>(_ path: String?, _ body: () throws -> T) throws(StoreError) -> T {
    do {
        return try body()
    } catch let error as StoreError {
        throw error.at(path: path)
    } catch let error as TablesError {
        throw StoreError(reading: error, path: path)
    } catch let error as RecordError {
        throw StoreError(error, path: path)
    } catch {
        throw StoreError(.system, "\(error)", path: path)
    }
}
