import StepEvents
import StepLocks

/// Tables in memory, with snapshots, for tests and for stores that need not outlive the process.
///
/// It is the model of the other form: the same tests run on both. What a commit returned from is "on disk";
/// ``crashClone(keepingUnfinishedCommit:)`` is what a new process would find after the power went.
package final class MemoryTables: Tables {
    /// Calls that a test can make fail, like those of a disk.
    package enum Call: Hashable, Sendable {
        case beginWrite, put, commit
        /// The commit reports failure although it is on disk.
        case commitAfterEffect
    }

    struct State: Sendable {
        var tables: [TableName: SortedMap] = [:]
        var transactionID: UInt64 = 0
        var usedBytes: Int { tables.values.reduce(0) { $0 + $1.bytes } }
    }

    private struct Shared {
        var committed = State()
        /// What a commit in progress would leave; it is on disk or not, no one can say.
        var unfinished: State?
        var writerOpen = false
        var closed = false
        var mapBytes: Int
        var witness: [UInt8]
        var fault: (@Sendable (Call) -> TablesError?)?
        var duringCommit: (@Sendable () -> Void)?
    }

    private let shared: Locked<Shared>

    package init(mapBytes: Int = 64 << 30) {
        shared = Locked(Shared(mapBytes: mapBytes, witness: []))
    }

    private init(_ state: State, witness: [UInt8], mapBytes: Int) {
        shared = Locked(Shared(committed: state, mapBytes: mapBytes, witness: witness))
    }

    /// Asks before each call whether it is to fail.
    package func setFault(_ fault: (@Sendable (Call) -> TablesError?)?) { shared.withLock { $0.fault = fault } }

    /// Runs inside every commit, between the moment at which it may be on disk and the one at which it surely is.
    package func setDuringCommit(_ action: (@Sendable () -> Void)?) { shared.withLock { $0.duringCommit = action } }

    /// A copy as a new process would find it if this one were killed now. A commit that has not returned may have made
    /// it to disk or not; the caller chooses.
    package func crashClone(keepingUnfinishedCommit: Bool = false) -> MemoryTables {
        shared.withLock { shared in
            let state = keepingUnfinishedCommit ? shared.unfinished ?? shared.committed : shared.committed
            return MemoryTables(state, witness: shared.witness, mapBytes: shared.mapBytes)
        }
    }

    // MARK: Tables

    package func beginWrite() throws(TablesError) -> any WriteTables {
        let begun: Result<State, TablesError> = shared.withLock { shared in
            if shared.closed { return .failure(TablesError(.closed, "the tables are closed")) }
            if let error = shared.fault?(.beginWrite) { return .failure(error) }
            if shared.writerOpen { return .failure(TablesError(.fatal, "a write transaction is open already")) }
            shared.writerOpen = true
            return .success(shared.committed)
        }
        return MemoryWrite(self, try begun.get())
    }

    package func read<T>(_ body: (any ReadTables) throws -> T) throws -> T {
        let (state, closed) = shared.withLock { ($0.committed, $0.closed) }
        if closed { throw TablesError(.closed, "the tables are closed") }
        return try body(MemoryRead(state))
    }

    package var info: TablesInfo {
        shared.withLock {
            TablesInfo(
                lastTransactionID: $0.committed.transactionID, usedBytes: $0.committed.usedBytes,
                mapBytes: $0.mapBytes)
        }
    }

    package func grow(to bytes: Int) { shared.withLock { $0.mapBytes = max($0.mapBytes, bytes) } }
    package func reserve(bytes: Int, isTight: Bool) {}
    package func reusableBytes() -> Int { 0 }
    package func checkReaders() -> Int { 0 }
    package func close() { shared.withLock { $0.closed = true } }

    // MARK: The write transaction's side

    func fault(_ call: Call) -> TablesError? { shared.withLock { $0.fault }?(call) }
    var mapBytes: Int { shared.withLock { $0.mapBytes } }
    func endWrite() { shared.withLock { $0.writerOpen = false } }

    func commit(_ state: State) throws(TablesError) {
        defer { endWrite() }
        if let error = fault(.commit) { throw error }
        let action = shared.withLock { shared in
            shared.unfinished = state
            return shared.duringCommit
        }
        action?()
        let failsFalsely = fault(.commitAfterEffect)
        shared.withLock { shared in
            shared.committed = state
            shared.unfinished = nil
        }
        if let failsFalsely { throw failsFalsely }
    }
}

extension MemoryTables: WitnessStorage {
    package func read() -> [UInt8] { shared.withLock { $0.witness } }

    package func write(_ bytes: [UInt8], at offset: Int) {
        shared.withLock { shared in
            let end = offset + bytes.count
            if shared.witness.count < end {
                shared.witness += [UInt8](repeating: 0, count: end - shared.witness.count)
            }
            shared.witness.replaceSubrange(offset..<end, with: bytes)
        }
    }
}

class MemoryRead: ReadTables {
    final var state: MemoryTables.State

    init(_ state: MemoryTables.State) { self.state = state }

    var transactionID: UInt64 { state.transactionID }

    final func get(_ table: TableName, _ key: [UInt8]) -> [UInt8]? { state.tables[table]?[key] }

    final func scan(
        _ table: TableName, from start: [UInt8]?, reversed: Bool,
        _ visit: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        try state.tables[table]?.scan(from: start, reversed: reversed) { entry in
            try entry.key.withUnsafeBytes { key in
                try entry.value.withUnsafeBytes { value in try visit(key, value) }
            }
        }
    }

    final func count(_ table: TableName) -> Int { state.tables[table]?.count ?? 0 }
}

final class MemoryWrite: MemoryRead, WriteTables {
    private let tables: MemoryTables
    private let mapBytes: Int
    private var used: Int
    private var ended = false

    init(_ tables: MemoryTables, _ state: MemoryTables.State) {
        self.tables = tables
        mapBytes = tables.mapBytes
        used = state.usedBytes
        super.init(state)
        self.state.transactionID += 1
    }

    deinit { rollBack() }

    func put(_ table: TableName, _ key: [UInt8], _ value: [UInt8]) throws(TablesError) {
        if let error = tables.fault(.put) { throw error }
        used += key.count + value.count
        if used > mapBytes { throw TablesError(.mapFull, "the map of \(mapBytes) bytes is full") }
        state.tables[table, default: SortedMap()].put(key, value)
    }

    func append(
        _ table: TableName, _ key: UnsafeRawBufferPointer, count: Int,
        _ fill: (UnsafeMutableRawBufferPointer) -> Void
    ) throws(TablesError) {
        let key = [UInt8](key)
        if let last = state.tables[table]?.last?.key, compareBytes(last, key) >= 0 {
            throw TablesError(.fatal, "append to \(table.rawValue): the key does not come last")
        }
        let value = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            fill(UnsafeMutableRawBufferPointer(buffer))
            initialized = count
        }
        try put(table, key, value)
    }

    func delete(_ table: TableName, _ key: [UInt8]) throws(TablesError) -> Bool {
        if let error = tables.fault(.put) { throw error }
        return state.tables[table]?.remove(key) ?? false
    }

    func commit() throws(TablesError) {
        guard !ended else { throw TablesError(.fatal, "the transaction has ended") }
        ended = true
        try tables.commit(state)
    }

    func rollBack() {
        guard !ended else { return }
        ended = true
        tables.endWrite()
    }
}
