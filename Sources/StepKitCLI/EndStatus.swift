import StepKit

/// How the process ends, as scripts rely on it.
enum EndStatus: Int32 {
    case ok = 0
    /// The command failed, or what it was asked for is not there.
    case failed = 1
    /// The command makes no sense as it was given.
    case usage = 2
    /// The store is damaged, in use, or can't be opened by this version.
    case store = 3

    init(_ error: StoreError) {
        switch error.code {
        case .notFound, .busy, .storageFull, .closed, .readOnly, .system: self = .failed
        case .commitOutcomeUnknown, .poisoned, .fenced, .inUse, .rolledBack, .tornCommit, .newerFormat,
            .olderFormat, .foreign, .damaged, .unusable, .invariantBroken:
            self = .store
        }
    }
}

/// Why a command ends without having done what it was asked for, in one line.
struct CommandFailure: Error {
    /// `nil` where it was said already.
    var message: String?
    var status: EndStatus
}
