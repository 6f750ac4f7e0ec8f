import Glibc

extension Environment {
    /// Opens the environment that a directory holds.
    ///
    /// Everything that can be wrong with directory and files is looked at before LMDB maps them; `OpenRefusal` says
    /// what it was. The call blocks on the disk, and up to 0.2 s while other processes open or close.
    package static func open(directory: String, options: Options = Options()) throws -> Environment {
        try FileChecks.checkDirectory(directory)
        let fileSystem = try FileChecks.checkFileSystem(directory, options)
        if !options.readOnly { removeStaleCreation(in: directory) }
        let dataPath = "\(directory)/\(FileChecks.dataName)"
        guard let status = try FileChecks.status(dataPath) else {
            throw OpenRefusal.notAnEnvironment(path: directory, reason: "it holds no \(FileChecks.dataName)")
        }
        try FileChecks.checkFile(status, path: dataPath)
        let lockPath = "\(directory)/\(FileChecks.lockName)"
        if let lock = try FileChecks.status(lockPath) { try FileChecks.checkFile(lock, path: lockPath) }

        let file = EnvironmentRegistry.FileID(status)
        try EnvironmentRegistry.claim(file, path: directory)
        let environment: Environment
        do {
            let meta = try checkMeta(dataPath, file)
            let handle = try openHandle(
                directory: directory, options: options, mapSize: max(options.mapSize, meta.mapSize),
                smallestMap: (Int(meta.lastPage) + 1) * meta.pageBytes)
            environment = try adopt(
                handle, directory: directory, options: options, fileSystem: fileSystem, file: file)
        } catch {
            EnvironmentRegistry.release(file)
            throw error
        }
        do {
            try environment.checkPages(dataPath, options.pageCheck)
            return environment
        } catch {
            environment.close()
            throw error
        }
    }

    /// Looks at the pages of the last commit. Up to here nothing has followed one: opening and beginning to read touch
    /// the first two pages alone. The snapshot keeps a writer in another process from reusing pages meanwhile.
    private func checkPages(_ path: String, _ extent: (_ usedBytes: Int) -> PageCheckExtent) throws {
        guard let descriptor = LMDBCalls.descriptor(handle) else {
            throw LMDBError(code: EBADF, operation: "check pages", path: path)
        }
        // Between the beginning of a snapshot and the look at the first two pages there is hardly time for two commits.
        for _ in 0..<Self.checkTries {
            let isDone = try read { snapshot in
                guard let meta = try MetaPages.of(transaction: snapshot.id, descriptor: descriptor, path: path) else {
                    return false
                }
                var status = stat()
                guard unsafe fstat(descriptor, &status) == 0 else {
                    throw LMDBError(code: errno, operation: "look at", path: path)
                }
                let check = PageCheck(
                    descriptor: descriptor, path: path, meta: meta, fileBytes: Int(status.st_size))
                try check.run(extent((Int(meta.lastPage) + 1) * meta.pageBytes))
                return true
            }
            if isDone { return }
        }
        throw OpenRefusal.damaged(
            path: path, page: 0, table: nil, reason: "neither of the first two pages belongs to the last commit")
    }

    private static let checkTries = 100

    /// Whether a directory holds an environment, sound or not. Looks at names only.
    package static func exists(directory: String) throws -> Bool {
        try FileChecks.status("\(directory)/\(FileChecks.dataName)") != nil
    }

    private static func checkMeta(_ path: String, _ file: EnvironmentRegistry.FileID) throws -> MetaPages {
        // Closing this descriptor drops no lock: the registry guarantees that nothing of this process has the file.
        let descriptor = unsafe Glibc.open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { throw LMDBError(code: errno, operation: "open", path: path) }
        defer { Glibc.close(descriptor) }
        try checkIdentity(descriptor, file, path)
        return try MetaPages.check(descriptor: descriptor, path: path)
    }

    private static func checkIdentity(
        _ descriptor: Int32, _ file: EnvironmentRegistry.FileID, _ path: String
    ) throws {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0, EnvironmentRegistry.FileID(status) == file else {
            throw OpenRefusal.notAnEnvironment(path: path, reason: "the file was replaced while it was opened")
        }
    }

    /// Opens the handle, again when another process was opening or closing, and with less address space if need be.
    static func openHandle(
        directory: String, options: Options, mapSize: Int, smallestMap: Int
    ) throws(LMDBError) -> EnvironmentHandle {
        var mapSize = roundedMapSize(mapSize)
        var retries = 0
        while true {
            do {
                return try openHandleOnce(directory: directory, options: options, mapSize: mapSize)
            } catch let error where error.code == EAGAIN && retries < openRetries {
                retries += 1
                if let delay = options.delayBeforeRetry { delay(retries) } else { defaultDelay(retries) }
            } catch let error where error.isOutOfMemory && mapSize / 2 >= 2 * smallestMap {
                mapSize = roundedMapSize(mapSize / 2)
            }
        }
    }

    private static func openHandleOnce(
        directory: String, options: Options, mapSize: Int
    ) throws(LMDBError) -> EnvironmentHandle {
        let handle = try LMDBCalls.createEnvironment(options.faults)
        var code = LMDBCalls.setLimits(handle, readers: options.maxReaders, tables: options.maxTables)
        if code == 0 { code = LMDBCalls.setInitialMapSize(handle, mapSize) }
        if code == 0 {
            code = LMDBCalls.open(
                handle, directory: directory, readOnly: options.readOnly, syncs: options.durability == .full)
        }
        guard code == 0 else {
            // A handle that failed to open must still be closed.
            LMDBCalls.close(handle)
            throw LMDBError(code: code, operation: "open environment", path: directory)
        }
        return handle
    }

    /// Last checks on what LMDB opened, and close-on-exec.
    static func adopt(
        _ handle: EnvironmentHandle, directory: String, options: Options, fileSystem: FileSystemType,
        file: EnvironmentRegistry.FileID
    ) throws -> Environment {
        do {
            guard let descriptor = LMDBCalls.descriptor(handle) else {
                throw LMDBError(code: EBADF, operation: "open environment", path: directory)
            }
            try checkIdentity(descriptor, file, directory)
            var files = [file]
            if let lock = try FileChecks.status("\(directory)/\(FileChecks.lockName)") { files.append(.init(lock)) }
            try CloseOnExec.mark(files)
            guard LMDBCalls.maximumKeyBytes(handle) >= maximumKeyBytes else {
                throw LMDBError(code: LMDBError.incompatible, operation: "open environment", path: directory)
            }
            // A failed check of the reader table harms no one: it is repeated whenever the table is full.
            var cleared: Int32 = 0
            _ = LMDBCalls.checkReaders(handle, cleared: &cleared)
        } catch {
            LMDBCalls.close(handle)
            throw error
        }
        return Environment(
            path: directory, fileSystem: fileSystem, isReadOnly: options.readOnly, pageSize: machinePageSize,
            handle: handle, file: file)
    }

    /// Waits 1, 2, 4 … ms and up to as much again, which depends on process and moment, so that two processes that
    /// disturb each other fall out of step.
    private static func defaultDelay(_ retry: Int) {
        var now = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &now)
        let base = 1_000_000 << min(retry - 1, 4)
        let jitter = (Int(getpid()) &* 7_919_777 &+ now.tv_nsec) % base
        var pause = timespec(tv_sec: 0, tv_nsec: base + abs(jitter))
        unsafe nanosleep(&pause, nil)
    }
}
