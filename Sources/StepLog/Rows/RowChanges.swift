import StepEvents

/// Carries out the changes of derived tables of one transaction. Rows of runs wait for the end of it, since only then
/// their heads are known; the last row of a run wins.
struct RowChanges {
    private var rows: [RunNumber: RunRow] = [:]

    /// The runs whose rows are fresh once the transaction is durable.
    var runs: Dictionary<RunNumber, RunRow>.Keys { rows.keys }

    mutating func removeAll() { rows.removeAll(keepingCapacity: true) }

    /// `firstLSN` is that of the first event of the command that the change belongs to.
    mutating func apply(
        _ change: TableChange, firstLSN: LSN, to tables: any WriteTables
    ) throws(TablesError) {
        switch change {
        case .putRun(let row): rows[row.number] = row
        case .putID(let id, let run): try tables.put(.ids, TableKey.runID(id), TableKey.run(run))
        case .putKey(let workflow, let key, let run):
            try tables.put(
                .keys, TableKey.runKey(workflow: workflow, key: key),
                KeyedRun(run: run, workflow: workflow, key: key).encoded())
        case .putOpen(let run): try tables.put(.open, TableKey.run(run), [])
        case .deleteOpen(let run): try tables.delete(.open, TableKey.run(run))
        case .putTimer(let due, let run, let step): try tables.put(.timers, TableKey.timer(due, run, step), [])
        case .deleteTimer(let due, let run, let step): try tables.delete(.timers, TableKey.timer(due, run, step))
        case .putWaiter(let signal, let since, let run, let step):
            try tables.put(
                .signals, TableKey.waiter(signal, since: since, run, step), Array(longText(signal).utf8))
        case .deleteWaiter(let signal, let since, let run, let step):
            try tables.delete(.signals, TableKey.waiter(signal, since: since, run, step))
        case .putReceipt(let name, let run, let time): try putReceipt(name, run, time, tables)
        case .deleteReceipt(let name): try tables.delete(.signals, TableKey.receipt(name))
        case .putKept(let signal, let keptAt, let until, let event):
            let lsn = LSN(firstLSN.value + UInt64(event))
            try tables.put(
                .signals, TableKey.kept(signal, keptAt: keptAt),
                KeptValue(lsn: lsn, until: until, longName: longText(signal)).encoded())
            try tables.put(.timers, TableKey.timer(until, kept: lsn), [])
        case .deleteKept(let signal, let keptAt):
            let key = TableKey.kept(signal, keptAt: keptAt)
            if let bytes = try tables.get(.signals, key), let value = KeptValue(bytes) {
                try tables.delete(.timers, TableKey.timer(value.until, kept: value.lsn))
            }
            try tables.delete(.signals, key)
        }
    }

    /// How many receipts that are out of date each new one removes at most: more than one, so that they become fewer.
    private static let forgottenAtOnce = 2

    private func putReceipt(
        _ name: ReceiptName, _ run: RunNumber, _ time: Timestamp, _ tables: any WriteTables
    ) throws(TablesError) {
        let key = TableKey.receipt(name)
        switch name {
        case .step(let sender, _):
            // A run that has ended sends nothing again, and nobody would remove the receipt.
            guard try tables.get(.open, TableKey.run(sender)) != nil else { return }
            try tables.put(.signals, key, ReceiptValue(run: run, time: time, longKey: "").encoded())
        case .key(let signal, let text):
            if let bytes = try tables.get(.signals, key), let old = ReceiptValue(bytes) {
                try tables.delete(.signals, TableKey.receiptTime(old.time, key))
            }
            let long = longText(TableKey.receiptText(signal, text))
            try tables.put(.signals, key, ReceiptValue(run: run, time: time, longKey: long).encoded())
            try tables.put(.signals, TableKey.receiptTime(time, key), [])
            try forgetReceipts(before: time.advanced(by: .zero - Limits.receiptLifetime), tables)
        }
    }

    private func forgetReceipts(before time: Timestamp, _ tables: any WriteTables) throws(TablesError) {
        let prefix = [TableKey.SignalTag.receiptTime.rawValue]
        let end = prefix + TableKey.time(time)
        var old: [[UInt8]] = []
        do {
            try tables.scan(.signals, from: prefix, reversed: false) { key, _ in
                let key = [UInt8](key)
                guard key.lexicographicallyPrecedes(end) else { return false }
                old.append(key)
                return old.count < Self.forgottenAtOnce
            }
        } catch let error as TablesError {
            throw error
        } catch {
            throw TablesError(.damaged, "receipts can't be read: \(error)")
        }
        for key in old {
            try tables.delete(.signals, key)
            try tables.delete(.signals, [TableKey.SignalTag.receipt.rawValue] + key.dropFirst(end.count))
        }
    }

    /// Writes the rows of runs, with their heads.
    func writeRows(
        to tables: any WriteTables, head: (RunNumber) throws(TablesError) -> Head
    ) throws(TablesError) {
        // In key order, so that neighbours share a page while it is at hand.
        for (run, row) in rows.sorted(by: { $0.key < $1.key }) {
            var row = row
            let head = try head(run)
            (row.head, row.headSequence, row.first) = (head.lsn, head.sequence, head.first)
            try tables.put(.runs, TableKey.run(run), row.encoded())
        }
    }
}

/// Text that its key holds in short form stands in full in the value; other text is not repeated.
func longText(_ text: String) -> String { KeyText(text).isShortened ? text : "" }

/// The value of `keys`.
struct KeyedRun {
    var run: RunNumber
    var workflow: String
    var key: String

    init(run: RunNumber, workflow: String, key: String) {
        self.run = run
        self.workflow = longText(workflow)
        self.key = longText(key)
    }

    init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let run = try? reader.fixed(UInt64.self),
            let workflow = try? reader.text("workflow", limit: Limits.idBytes),
            let key = try? reader.text("run key", limit: Limits.idBytes), reader.left == 0
        else { return nil }
        self.run = RunNumber(run)
        self.workflow = workflow
        self.key = key
    }

    func encoded() -> [UInt8] {
        var writer = ByteWriter(reserving: 10)
        writer.fixed(run.value)
        writer.text(workflow)
        writer.text(key)
        return writer.bytes
    }
}

/// The value of a signal's receipt in `signals`.
struct ReceiptValue {
    var run: RunNumber
    var time: Timestamp
    var longKey: String

    init(run: RunNumber, time: Timestamp, longKey: String) {
        self.run = run
        self.time = time
        self.longKey = longKey
    }

    init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let run = try? reader.fixed(UInt64.self), let time = try? reader.time(),
            let key = try? reader.text("idempotency key", limit: Limits.receiptTextBytes), reader.left == 0
        else { return nil }
        self.run = RunNumber(run)
        self.time = time
        longKey = key
    }

    func encoded() -> [UInt8] {
        var writer = ByteWriter(reserving: 17)
        writer.fixed(run.value)
        writer.time(time)
        writer.text(longKey)
        return writer.bytes
    }
}

/// The value of a kept signal in `signals`.
struct KeptValue {
    var lsn: LSN
    var until: Timestamp
    var longName: String

    init(lsn: LSN, until: Timestamp, longName: String) {
        self.lsn = lsn
        self.until = until
        self.longName = longName
    }

    init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let lsn = try? reader.fixed(UInt64.self), let until = try? reader.time(),
            let name = try? reader.text("signal name", limit: Limits.signalNameBytes), reader.left == 0
        else { return nil }
        self.lsn = LSN(lsn)
        self.until = until
        longName = name
    }

    func encoded() -> [UInt8] {
        var writer = ByteWriter(reserving: 17)
        writer.fixed(lsn.value)
        writer.time(until)
        writer.text(longName)
        return writer.bytes
    }
}
