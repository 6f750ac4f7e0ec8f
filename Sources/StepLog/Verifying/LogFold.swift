import StepEvents

/// Folds the events of a log into the tables that follow from them, as the writer did when it wrote them.
struct LogFold {
    private struct Run {
        var state: RunState
        var head: Head
    }

    /// What was made: every derived table.
    let tables: MemoryTables
    private let transaction: any WriteTables
    private var rows = RowChanges()
    private var open: [RunNumber: Run] = [:]
    private var ended: [RunNumber] = []
    private var changes: [TableChange] = []

    init() throws {
        tables = MemoryTables(mapBytes: .max)
        transaction = try tables.beginWrite()
    }

    /// Every derived table as of the last commit record that was taken.
    var derived: any ReadTables { transaction }

    /// The head of a run that has not ended.
    func head(of run: RunNumber) -> Head? { open[run]?.head }

    /// Takes the next event of the log.
    mutating func take(_ logged: LoggedEvent) throws {
        changes.removeAll(keepingCapacity: true)
        let event = logged.event
        if event.kind == .commitRecord { return try endTransaction() }
        if event.run == .store {
            Projection.changes(storeEvent: event, at: 0, into: &changes)
        } else {
            try advance(event, logged.lsn)
        }
        for change in changes { try rows.apply(change, firstLSN: logged.lsn, to: transaction) }
    }

    private mutating func advance(_ event: Event, _ lsn: LSN) throws {
        if var run = open[event.run] {
            // Taken out meanwhile, so that the state is changed in place.
            open[event.run] = nil
            defer { open[event.run] = run }
            let transition = try run.state.apply(event)
            run.head.lsn = lsn
            run.head.sequence = event.sequence
            Projection.changes(transition, after: run.state, event: event, into: &changes)
            if run.state.status.isFinal { ended.append(event.run) }
        } else {
            let state = try RunState(event)
            open[event.run] = Run(state: state, head: Head(lsn: lsn, sequence: 0, first: lsn))
            Projection.changes(nil, after: state, event: event, into: &changes)
        }
    }

    private mutating func endTransaction() throws {
        try rows.writeRows(to: transaction) { run throws(TablesError) in
            guard let head = open[run]?.head else { throw TablesError(.fatal, "run \(run) has a row but no event") }
            return head
        }
        rows.removeAll()
        for run in ended { open[run] = nil }
        ended.removeAll(keepingCapacity: true)
    }

    /// Hands out the tables; nothing can be taken after it.
    func finish() throws -> MemoryTables {
        try transaction.commit()
        return tables
    }
}
