public import StepEvents

/// Why a store refused or failed.
///
/// The message says what happened where, and what to do next. Errors whose ``isRetryable`` is true pass by
/// themselves: the same call may succeed later.
public struct StoreError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of refusal or failure it is.
    public enum Code: Hashable, Sendable {
        /// More is waiting to be written than the engine's bounds allow. Retry in a moment.
        case busy
        /// The disk, the quota or the reserve is used up. Running work goes on where it can; the store heals by
        /// itself once there is room.
        case storageFull
        /// A commit was reported as failed in a way that leaves open whether it is on disk. Starting again finds out.
        case commitOutcomeUnknown
        /// An earlier failure made the store stop. Nothing is written any more until the process opens it again.
        case poisoned
        /// Another engine has taken over the store.
        case fenced
        /// Another process, whose id is given where known, has the store open as its engine.
        case inUse(pid: Int32?)
        /// The store is older than what was acknowledged: so many acknowledged records are gone, if that is known.
        case rolledBack(lost: UInt64?)
        /// The last commit in the log isn't the last of the database: a page was torn when the power failed.
        case tornCommit
        /// A newer version wrote the store.
        case newerFormat
        /// A version before the first release wrote the store, in a format that this one does not read.
        case olderFormat
        /// The directory holds something that isn't a store of ours.
        case foreign
        /// Stored bytes fail their checks.
        case damaged
        /// The directory, its file system or its permissions are not fit for a store.
        case unusable
        /// There is no store at the path.
        case notFound
        /// The store was opened for reading only.
        case readOnly
        /// The store was closed.
        case closed
        /// An event does not follow the run's last one. A bug of ours; nothing was written.
        case invariantBroken
        /// The system refused a call that has nothing to do with the store's state.
        case system
    }

    /// What kind of refusal or failure it is.
    public let code: Code
    /// What happened, in a sentence without the place.
    public let detail: String
    /// The store's directory; `nil` for a store in memory.
    public let path: String?
    /// The record concerned, if one is.
    public let lsn: LSN?
    /// The run concerned, by its number in the store, if one is.
    public let runNumber: UInt64?
    /// The table concerned, if one is.
    public let table: String?

    package init(
        _ code: Code, _ detail: String, path: String? = nil, lsn: LSN? = nil, run: RunNumber? = nil,
        table: TableName? = nil
    ) {
        self.code = code
        self.detail = detail
        self.path = path
        self.lsn = lsn
        runNumber = run?.value
        self.table = table?.rawValue
    }

    /// Whether the same call may succeed later without anyone doing anything.
    public var isRetryable: Bool { code == .busy || code == .storageFull }

    /// What happened, where, and what to do next.
    public var description: String {
        var place: [String] = []
        if let path { place.append("store \(path)") }
        if let table { place.append("table \(table)") }
        if let lsn { place.append("record \(lsn)") }
        if let runNumber { place.append("run #\(runNumber)") }
        let head = place.isEmpty ? detail : "\(place.joined(separator: ", ")): \(detail)"
        return "\(head). \(advice)"
    }

    private var advice: String {
        switch code {
        case .busy: "Retry in a moment, or submit less at once."
        case .storageFull: "Free disk space or raise the quota; the store goes on by itself."
        case .commitOutcomeUnknown: "Start the engine again: it finds out what is on disk. Check the disk first."
        case .poisoned: "Find the first error, check the disk, then start the engine again."
        case .fenced: "Another engine owns the store now; stop this one."
        case .inUse: "Stop the other engine, or stand by for its end."
        case .rolledBack: "Restore the newest files, or accept the loss by opening once with acceptRollback."
        case .tornCommit: "Restore a backup, or accept the loss by opening once with acceptRollback."
        case .newerFormat: "Use the newer version. Nothing was changed."
        case .olderFormat: "Finish its runs with the version that wrote it, and begin a new store. Nothing was changed."
        case .foreign: "Give another directory. Nothing was changed."
        case .damaged: "Run `stepkit verify`, then restore a backup; keep these files."
        case .unusable: "Correct the directory, its file system or its permissions."
        case .notFound: "Check the path, or open it as an engine, which creates it."
        case .readOnly: "Open the store as its engine to write."
        case .closed: "Open the store again."
        case .invariantBroken: "Please report this together with the run's history."
        case .system: "The system's message above says what to correct."
        }
    }

    /// The same error, told of another place.
    package func at(path: String?) -> StoreError {
        path == nil || self.path != nil ? self : StoreError(copying: self, path: path)
    }

    private init(copying error: StoreError, path: String?) {
        code = error.code
        detail = error.detail
        self.path = path
        lsn = error.lsn
        runNumber = error.runNumber
        table = error.table
    }
}

extension StoreError {
    /// What an error of the tables means to a reader.
    package init(reading error: TablesError, path: String?) {
        let code: Code =
            switch error.kind {
            case .readersFull: .busy
            case .damaged: .damaged
            case .closed: .closed
            case .mapFull, .noSpace: .storageFull
            case .transient, .fatal: .system
            }
        self.init(code, error.detail, path: path)
    }

    package init(_ error: RecordError, path: String? = nil) {
        let code: Code
        switch error.code {
        case .unknownKind, .unknownFlags: code = .newerFormat
        case .tooShort, .checksum, .malformed, .impossible: code = .damaged
        }
        self.init(code, error.description, path: path, lsn: error.lsn, run: error.run, table: .log)
    }
}
