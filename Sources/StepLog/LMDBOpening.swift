import Glibc
import LMDB
import StepEvents

/// Opening a store's directory.
struct LMDBOpening {
    var directory: String
    var options: StoreOptions

    func openEngine() throws -> OpenedStore {
        do { try Environment.makeDirectory(directory) } catch {
            throw StoreError(.unusable, "\(error)", path: directory)
        }
        try refuseFileSystem()
        let lock = try EngineLock(directory: directory)
        do {
            let environment = try openOrCreate(isSameBoot: lock.isSameBoot)
            do {
                let tables = try storeTables(environment)
                return try EngineOpening.open(
                    options.around?(tables) ?? tables, witness: WitnessFile(directory: directory), path: directory,
                    lock: lock, options)
            } catch {
                environment.close()
                throw error
            }
        } catch {
            // A directory that is no store of ours is left as it was.
            if let error = Self.storeError(error, directory) as? StoreError, [.foreign, .unusable].contains(error.code)
            {
                lock.withdraw()
            }
            throw error
        }
    }

    /// With `checksEnd` a store whose last commit is torn is refused.
    func openReader(checksEnd: Bool) throws -> OpenedStore {
        guard try Environment.exists(directory: directory) else {
            throw missing
        }
        let environment = try Environment.open(
            directory: directory, options: environmentOptions(readOnly: true, powerMayHaveFailed: false))
        do {
            let tables = try storeTables(environment)
            try tables.read { snapshot in
                _ = try StoreMeta.decode(try snapshot.get(.meta, TableKey.Meta.format))
                if checksEnd { try Self.checkEnd(snapshot) }
            }
            return OpenedStore(path: directory, tables: tables, heads: SharedHeads(HeadIndex()))
        } catch {
            environment.close()
            throw error
        }
    }

    /// Why there is nothing to read.
    private var missing: StoreError {
        var status = stat()
        guard stat(directory, &status) == 0 else {
            let what = errno == ENOENT ? "there is no such directory" : String(cString: strerror(errno))
            return StoreError(.notFound, what, path: directory)
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            return StoreError(.foreign, "it is not a directory", path: directory)
        }
        return StoreError(.notFound, "there is no store in it", path: directory)
    }

    /// Each transaction of an engine ends with a commit record that names it, so this holds in every snapshot, also
    /// while one is writing.
    private static func checkEnd(_ snapshot: any ReadTables) throws {
        guard let (position, commit) = try Recovery.position(snapshot) else {
            throw StoreError(.damaged, "its log is empty", table: .log)
        }
        try Recovery.checkFence(commit, last: position.last, tables: snapshot)
    }

    private func environmentOptions(readOnly: Bool, powerMayHaveFailed: Bool) -> Environment.Options {
        var options = LMDBTables.options(options.tables, mapBytes: options.mapBytes, readOnly: readOnly)
        options.pageCheck = { Self.checkedExtent(usedBytes: $0, powerMayHaveFailed: powerMayHaveFailed) }
        return options
    }

    /// How much of a store is looked at before it is used. Pages go bad when the power fails, hardly ever otherwise;
    /// but looking at a small store costs next to nothing, and a large one takes one to two seconds a GiB.
    static func checkedExtent(usedBytes: Int, powerMayHaveFailed: Bool) -> PageCheckExtent {
        powerMayHaveFailed || usedBytes <= alwaysChecked ? .everything : .edges
    }

    /// A store of so many bytes is looked at whole each time it is opened: that takes 60 to 110 ms.
    private static let alwaysChecked = 64 << 20

    /// Before any file of ours is made there.
    private func refuseFileSystem() throws {
        guard let type = try options.tables.fileSystemType?(directory), type.suitability == .refused else { return }
        throw OpenRefusal.unsupportedFileSystem(name: type.name, path: directory)
    }

    private func openOrCreate(isSameBoot: Bool) throws -> Environment {
        let isClean = try Witness.newest(in: WitnessFile(directory: directory).read())?.isClean == true
        let options = environmentOptions(readOnly: false, powerMayHaveFailed: !isClean && !isSameBoot)
        if try Environment.exists(directory: directory) {
            return try Environment.open(directory: directory, options: options)
        }
        if let witness = Witness.newest(in: try WitnessFile(directory: directory).read()), witness.lsn > .zero,
            !self.options.acceptRollback
        {
            throw StoreError(
                .rolledBack(lost: witness.lsn.value),
                "the database is gone, but its witness saw \(witness.lsn) acknowledged records", path: directory)
        }
        return try Environment.create(directory: directory, options: options) { transaction in
            let handles = TableHandles(try TableName.allCases.map { try transaction.table($0.rawValue) })
            try StoreCreation.write(
                to: LMDBWrite(transaction, handles), pageBytes: transaction.environment.pageSize,
                library: "\(LibraryVersion.loaded)", self.options)
        }
    }

    /// An environment without our tables is someone else's.
    private func storeTables(_ environment: Environment) throws -> LMDBTables {
        do {
            return try LMDBTables(environment)
        } catch let error as LMDBError where error.isNotFound || error.code == LMDBError.incompatible {
            throw StoreError(.foreign, "the database in it is not a store of this library", path: directory)
        }
    }

    /// What a refusal of the environment means for the store.
    static func storeError(_ error: any Error, _ directory: String) -> any Error {
        switch error {
        case let error as OpenRefusal:
            var table: TableName?
            if case .damaged(_, _, let name?, _) = error { table = TableName(rawValue: name) }
            let code: StoreError.Code =
                switch error {
                case .alreadyOpenInProcess: .inUse(pid: getpid())
                case .fileShorterThanMeta, .damaged: .damaged
                // Beside a witness of ours lay a store of ours.
                case .notAnEnvironment: WitnessFile(directory: directory).exists ? .damaged : .foreign
                case .versionTooNew: .newerFormat
                case .unsupportedFileSystem, .wrongPermissions, .symlink, .pageSizeMismatch, .alreadyExists: .unusable
                }
            return StoreError(code, "\(error)", path: directory, table: table)
        case let error as LMDBError:
            let code: StoreError.Code =
                if error.isNoSpace || error.isMapFull {
                    .storageFull
                } else if error.isDamage || error.code == LMDBError.versionMismatch {
                    .damaged
                } else if error.code == EACCES || error.code == EPERM || error.code == EROFS {
                    .unusable
                } else {
                    .system
                }
            return StoreError(code, "\(error)", path: directory)
        default: return error
        }
    }
}
