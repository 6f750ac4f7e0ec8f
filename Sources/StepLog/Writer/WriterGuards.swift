import StepEvents

/// What the writer watches besides its commits: the witness, the quota, readers that died.
///
/// Not `Sendable`: it belongs to the writer.
final class WriterGuards {
    private let tables: any Tables
    private let options: StoreOptions
    private let path: String?
    private let witness: any WitnessStorage
    private let incarnation: UInt64
    private let quota: Quota
    private let lock: EngineLock?

    private var witnessCounter: UInt64
    private var witnessed: LSN
    private var witnessAt: UInt64
    private var quotaAt: UInt64
    private var readersAt: UInt64
    private var isFull = false
    private var wasFull = false
    private var spaceAt: UInt64?
    private var freeBytes: Int?
    private var level = Quota.Level.roomy
    private var shortage: StoreError?

    /// The witness costs a flush.
    private static let witnessInterval: UInt64 = 1_000_000_000
    /// At 500 MB/s the disk loses 50 MB meanwhile, less than the smallest reserve.
    private static let quotaInterval: UInt64 = 100_000_000
    private static let readersInterval: UInt64 = 30_000_000_000
    /// From where on a reader is named when room runs out.
    private static let readersLag: UInt64 = 1_000

    init(
        tables: any Tables, options: StoreOptions, path: String?, witness: any WitnessStorage, last: Witness,
        lock: EngineLock?
    ) {
        self.tables = tables
        self.options = options
        self.path = path
        self.witness = witness
        self.lock = lock
        incarnation = last.incarnation
        quota = Quota(bytes: options.quotaBytes)
        witnessCounter = last.counter
        witnessed = last.lsn
        let uptime = options.clock.uptime
        (witnessAt, quotaAt, readersAt) = (uptime, uptime, uptime)
    }

    /// When something is due although nothing is written.
    private(set) var nextIdleWork: UInt64?

    func committed(_ writer: LogWriter, position: LogPosition, uptime: UInt64) {
        if uptime &- witnessAt >= Self.witnessInterval {
            testify(position, isClean: false)
        }
        if uptime &- quotaAt >= Self.quotaInterval { checkQuota(writer) }
        if uptime &- readersAt >= Self.readersInterval {
            readersAt = uptime
            // A failed look at the reader table harms no one; the next one is half a minute away.
            _ = try? tables.checkReaders()
        }
        planIdleWork(position)
    }

    func idle(_ writer: LogWriter, position: LogPosition) {
        let uptime = options.clock.uptime
        guard let nextIdleWork, uptime >= nextIdleWork else { return }
        if witnessed < position.last { testify(position, isClean: false) }
        if level != .roomy { checkQuota(writer) }
        planIdleWork(position)
    }

    func full(_ writer: LogWriter, _ error: StoreError) {
        (isFull, wasFull) = (true, true)
        writer.queue.refuse { $0.normal = error }
        writer.report(.full(error))
    }

    /// Whether a transaction may find the disk full. Where quotas of the file system are the limit only a shortage met
    /// before tells.
    func isTight(uptime: UInt64) -> Bool {
        if spaceAt.map({ uptime &- $0 >= Self.quotaInterval }) ?? true {
            spaceAt = uptime
            freeBytes = path.flatMap { options.space($0) }?.freeBytes
        }
        return wasFull || Quota.isTight(freeBytes: freeBytes)
    }

    func healed(_ writer: LogWriter) {
        isFull = false
        checkQuota(writer)
    }

    /// `isClean` says whether all that was acknowledged is what the log holds.
    func close(position: LogPosition, isClean: Bool) {
        if isClean { testify(position, isClean: true) }
        tables.close()
        lock?.release()
    }

    /// Looks at how much is in use, and changes what is refused when that has crossed a threshold.
    func checkQuota(_ writer: LogWriter) {
        quotaAt = options.clock.uptime
        guard !isFull, let info = try? tables.info else { return }
        var used = info.usedBytes
        if quota.isNear(usedBytes: used) { used -= (try? tables.reusableBytes()) ?? 0 }
        let space = path.flatMap { options.space($0) }
        let level = quota.level(usedBytes: used, space: space)
        // Told anew only when the level changes: the numbers in it change all the time.
        let known = level == self.level ? shortage : nil
        let error = known ?? describe(level, usedBytes: used, space, isRising: level > self.level)
        shortage = error
        self.level = level
        writer.queue.refuse {
            $0.newRuns = level >= .noNewRuns ? error : nil
            $0.normal = level >= .completionsOnly ? error : nil
        }
        switch level {
        case .roomy: writer.report(.healthy)
        case .fillingUp: writer.report(.fillingUp(quotaBytes: quota.bytes))
        case .noNewRuns, .completionsOnly: writer.report(.full(error))
        }
    }

    private func describe(
        _ level: Quota.Level, usedBytes: Int, _ space: StoreOptions.Space?, isRising: Bool
    ) -> StoreError {
        var detail = quota.shortage(usedBytes: usedBytes, space: space)
        let late = isRising ? (try? tables.laggingReaders(behind: Self.readersLag)) ?? [] : []
        if !late.isEmpty {
            let who = late.map { "process \($0)" }.joined(separator: ", ")
            detail += "; pages are held back by readers more than \(Self.readersLag) commits behind: \(who)"
        }
        return StoreError(.storageFull, detail, path: path)
    }

    private func planIdleWork(_ position: LogPosition) {
        var next: UInt64?
        if witnessed < position.last { next = witnessAt &+ Self.witnessInterval }
        // A store that refuses work must notice by itself when there is room again.
        if level != .roomy { next = min(next ?? .max, quotaAt &+ LogWriter.retryInterval) }
        nextIdleWork = next
    }

    private func testify(_ position: LogPosition, isClean: Bool) {
        witnessAt = options.clock.uptime
        witnessCounter &+= 1
        let slot = Witness(
            counter: witnessCounter, incarnation: incarnation, lsn: position.last, chain: position.chain,
            time: options.clock.now, isClean: isClean)
        // The log doesn't depend on it: a witness that can't be written now is written a second later, and until then
        // it only proves less.
        if (try? witness.write(slot.encoded(), at: slot.offset)) != nil { witnessed = position.last }
    }
}
