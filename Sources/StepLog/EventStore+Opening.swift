import Glibc
import LMDB
import StepEvents

extension EventStore {
    /// Opens the store in a directory as its one engine, and creates it when it is absent.
    ///
    /// - Throws: `StoreError`: `inUse`, `foreign`, `newerFormat`, `olderFormat`, `tornCommit`, `rolledBack`, `damaged`, …;
    ///   nothing of the store was changed then. With `options.standby` a store in use is waited for, and `inUse` means
    ///   that the waiting was called off.
    package static func openLMDB(
        directory: String, options: StoreOptions = StoreOptions()
    ) throws(StoreError) -> EventStore {
        guard let standby = options.standby else { return try openAtOnce(directory, options) }
        return try standby.untilFree(options.clock) { () throws(StoreError) in try openAtOnce(directory, options) }
    }

    private static func openAtOnce(_ directory: String, _ options: StoreOptions) throws(StoreError) -> EventStore {
        let opened = try asStoreError(directory) {
            do { return try LMDBOpening(directory: directory, options: options).openEngine() } catch {
                throw LMDBOpening.storeError(error, directory)
            }
        }
        return try EventStore(opened, mode: options.writer)
    }

    /// Opens the store in a directory for reading, beside its engine or without one.
    ///
    /// With `checksEnd` a store whose last commit is torn is refused; a check of the whole store rather reports it.
    package static func openReadOnly(
        directory: String, options: StoreOptions = StoreOptions(), checksEnd: Bool = true
    ) throws(StoreError) -> EventStore {
        let opened = try asStoreError(directory) {
            do {
                return try LMDBOpening(directory: directory, options: options).openReader(checksEnd: checksEnd)
            } catch {
                throw LMDBOpening.storeError(error, directory)
            }
        }
        return try EventStore(opened, mode: .manual)
    }

    /// Opens a store in memory, and writes its first commit when the tables are empty.
    package static func inMemory(
        _ tables: MemoryTables = MemoryTables(), options: StoreOptions = StoreOptions()
    ) throws(StoreError) -> EventStore {
        let opened = try asStoreError(nil) {
            if try tables.read({ try $0.lastLSN() }) == .zero {
                let transaction = try tables.beginWrite()
                try StoreCreation.write(to: transaction, pageBytes: 0, library: "memory", options)
                try transaction.commit()
            }
            return try EngineOpening.open(tables, witness: tables, path: nil, lock: nil, options)
        }
        return try EventStore(opened, mode: options.writer)
    }
}

/// The first commit of a store.
enum StoreCreation {
    static func write(
        to transaction: any WriteTables, pageBytes: Int, library: String, _ options: StoreOptions
    ) throws {
        let now = options.clock.now
        let incarnation = options.makeIncarnation()
        let builder = CommitBuilder(
            incarnation: incarnation, epoch: 0, position: .start, heads: SharedHeads(HeadIndex()))
        _ = try builder.write(to: transaction, now: now) { tables in
            let meta = StoreMeta(pageBytes: UInt32(pageBytes), library: library, createdAt: now)
            try tables.put(.meta, TableKey.Meta.format, meta.encoded())
            try tables.put(.meta, TableKey.Meta.incarnation, metaBytes(incarnation))
            try tables.put(.meta, TableKey.Meta.epoch, metaBytes(0))
        }
    }
}

/// Opening as an engine, on either form of tables: checks, recovery, a new epoch.
enum EngineOpening {
    static func open(
        _ tables: any Tables, witness storage: any WitnessStorage, path: String?, lock: EngineLock?,
        _ options: StoreOptions
    ) throws -> OpenedStore {
        let found = try tables.read { try examine($0, try storage.read(), options) }
        let heads = SharedHeads(found.heads)
        // What a damaged row says may be the largest number; epochs are only compared for being equal.
        let epoch = found.epoch &+ 1
        // After an accepted rollback LSNs are given a second time, so another life of the store begins.
        let incarnation = found.isRolledBack ? options.makeIncarnation() : found.incarnation
        let builder = CommitBuilder(
            incarnation: incarnation, epoch: epoch, position: found.position, heads: heads)
        do {
            try begin(epoch, found, tables, builder, path, options)
        } catch let error as TablesError where error.kind == .mapFull {
            try tables.makeRoom(for: 0)
            try begin(epoch, found, tables, builder, path, options)
        }
        let position = builder.position
        let last = Witness(
            counter: (found.witness?.counter ?? 0) &+ 1, incarnation: incarnation, lsn: position.last,
            chain: position.chain, time: options.clock.now, isClean: false)
        try storage.write(last.encoded(), at: last.offset)
        let guards = WriterGuards(
            tables: tables, options: options, path: path, witness: storage, last: last, lock: lock)
        let writer = LogWriter(tables: tables, builder: builder, guards: guards, options: options, path: path)
        guards.checkQuota(writer)
        let loss = found.loss.map { "a loss was accepted (acceptRollback): \($0.detail)" }
        return OpenedStore(
            path: path, tables: tables, heads: heads, writer: writer, lock: lock,
            warnings: [loss].compactMap { $0 } + tables.warnings)
    }

    /// The first transaction of this engine: from here on others are fenced.
    private static func begin(
        _ epoch: UInt64, _ found: Found, _ tables: any Tables, _ builder: CommitBuilder, _ path: String?,
        _ options: StoreOptions
    ) throws {
        let free = path.flatMap { options.space($0) }?.freeBytes
        try tables.reserve(bytes: openingBytes, isTight: Quota.isTight(freeBytes: free))
        let transaction = try tables.beginWrite()
        do {
            guard try transaction.metaNumber(TableKey.Meta.epoch) == found.epoch else {
                throw StoreError(.inUse(pid: nil), "another engine is opening the store")
            }
            let position = try builder.write(to: transaction, now: options.clock.now) { tables in
                try tables.put(.meta, TableKey.Meta.epoch, metaBytes(epoch))
                guard found.isRolledBack else { return }
                try tables.put(.meta, TableKey.Meta.incarnation, metaBytes(builder.incarnation))
            }
            try transaction.commit()
            builder.publish(position)
        } catch {
            transaction.rollBack()
            throw error
        }
    }

    /// What the first transaction may add.
    private static let openingBytes = 12 * 4_096

    private struct Found {
        var position: LogPosition
        var heads: HeadIndex
        var epoch: UInt64
        var incarnation: UInt64
        var witness: Witness?
        /// What was lost, and accepted as such.
        var loss: StoreError?
        var isRolledBack: Bool { loss != nil }
    }

    private static func examine(
        _ tables: any ReadTables, _ witnessBytes: [UInt8], _ options: StoreOptions
    ) throws -> Found {
        _ = try StoreMeta.decode(try tables.get(.meta, TableKey.Meta.format))
        guard let epoch = try tables.metaNumber(TableKey.Meta.epoch),
            let incarnation = try tables.metaNumber(TableKey.Meta.incarnation),
            let (position, commit) = try Recovery.position(tables)
        else { throw StoreError(.damaged, "the store lacks its epoch, its incarnation or its log", table: .meta) }
        let witness = Witness.newest(in: witnessBytes)
        var loss: StoreError?
        do {
            try Recovery.checkFence(commit, last: position.last, tables: tables)
            try Witness.check(
                witness, incarnation: incarnation, last: position.last, isUnused: { try Recovery.isUnused(tables) },
                commit: { try Recovery.commitRecord(at: $0, tables) })
        } catch let error as StoreError where options.acceptRollback && error.isRollback {
            loss = error
        }
        return Found(
            position: position, heads: try Recovery.heads(tables), epoch: epoch, incarnation: incarnation,
            witness: witness, loss: loss)
    }
}

extension StoreError {
    var isRollback: Bool {
        switch code {
        case .rolledBack, .tornCommit: true
        default: false
        }
    }
}
