/// The parts of a store that has been opened.
struct OpenedStore {
    var path: String?
    var tables: any Tables
    var heads: SharedHeads
    var writer: LogWriter?
    var lock: EngineLock?
    /// What its operator should know of.
    var warnings: [String] = []
}
