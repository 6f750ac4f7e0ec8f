import CLMDBFloor
import Foundation

/// A floor: the database alone, in C-like Swift, writing what the engine would have to write and flushing it as often.
///
/// Same table, same keys, same sizes of records, same flags; no encoding, no checksum, no workflow.
final class BareDatabase {
    private var environment: OpaquePointer?
    private var table: MDB_dbi = 0
    private var next: UInt64 = 1

    /// What a step adds to the log: its outcome and the next step's start, each a 36-byte header and a payload.
    struct StepBytes {
        var outcome: Int
        var start: Int
        /// The commit record: a header, transaction id, incarnation, first LSN, chain hash.
        static let commit = 36 + 24 + 32
    }

    init(directory: String) throws {
        try check(mdb_env_create(&environment))
        try check(mdb_env_set_maxdbs(environment, 16))
        try check(mdb_env_set_mapsize(environment, 64 << 30))
        try check(mdb_env_open(environment, directory, UInt32(MDB_NOTLS), 0o600))
        var transaction: OpaquePointer?
        try check(mdb_txn_begin(environment, nil, 0, &transaction))
        try check(mdb_dbi_open(transaction, "log", UInt32(MDB_CREATE), &table))
        try check(mdb_txn_commit(transaction))
    }

    deinit { mdb_env_close(environment) }

    /// One commit of `steps` steps and a commit record.
    func commit(steps: Int, _ bytes: StepBytes) throws {
        var transaction: OpaquePointer?
        try check(mdb_txn_begin(environment, nil, 0, &transaction))
        for _ in 0..<steps {
            try append(transaction, bytes.outcome)
            try append(transaction, bytes.start)
        }
        try append(transaction, StepBytes.commit)
        try check(mdb_txn_commit(transaction))
    }

    private func append(_ transaction: OpaquePointer?, _ count: Int) throws {
        var keyBytes = next.bigEndian
        next += 1
        try withUnsafeMutableBytes(of: &keyBytes) { keyBuffer in
            var key = MDB_val(mv_size: 8, mv_data: keyBuffer.baseAddress)
            var value = MDB_val(mv_size: count, mv_data: nil)
            try check(mdb_put(transaction, table, &key, &value, UInt32(MDB_APPEND | MDB_RESERVE)))
            memset(value.mv_data, Int32(truncatingIfNeeded: next), count)
        }
    }

    private func check(_ code: Int32) throws {
        guard code == 0 else { throw BareDatabaseError(message: String(cString: mdb_strerror(code))) }
    }
}

struct BareDatabaseError: Error, CustomStringConvertible {
    let message: String
    var description: String { "the bare database failed: \(message)" }
}
