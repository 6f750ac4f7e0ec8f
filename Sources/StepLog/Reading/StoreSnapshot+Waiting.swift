package import StepEvents

/// Something that is due at a time.
package struct TimerRow: Hashable, Sendable {
    package enum Owner: Hashable, Sendable {
        /// A sleep, a time limit of a wait or a child, or a step's next attempt; step 0 is the run's own next attempt.
        case step(RunNumber, StepNumber)
        /// A kept signal runs out; its `signalKept` stands at this LSN.
        case keptSignal(LSN)
    }

    package var due: Timestamp
    package var owner: Owner

    fileprivate var key: [UInt8] {
        switch owner {
        case .step(let run, let step): TableKey.timer(due, run, step)
        case .keptSignal(let lsn): TableKey.timer(due, kept: lsn)
        }
    }
}

/// A run that waits for a signal.
package struct WaiterRow: Hashable, Sendable {
    package var signal: String
    package var since: Timestamp
    package var run: RunNumber
    package var step: StepNumber
}

/// A signal that waits for a run.
package struct KeptRow: Hashable, Sendable {
    package var signal: String
    package var keptAt: Timestamp
    package var until: Timestamp
    /// Its `signalKept`, which holds the payload.
    package var lsn: LSN
}

extension StoreSnapshot {
    /// What is due at `time` or before, the earliest first; with `last`, what comes after that row.
    package func timers(
        after last: TimerRow? = nil, dueBefore time: Timestamp, limit: Int
    ) throws(StoreError) -> [TimerRow] {
        try asStoreError(path) {
            var rows: [TimerRow] = []
            guard limit > 0 else { return rows }
            // The least key after another one is that key and a zero byte.
            try tables.scan(.timers, from: last.map { $0.key + [0] }, reversed: false) { key, _ in
                let row = try Self.timer(key)
                guard row.due <= time else { return false }
                rows.append(row)
                return rows.count < limit
            }
            return rows
        }
    }

    /// The earliest timer; with `time`, the earliest that is due after it.
    package func nextTimer(after time: Timestamp? = nil) throws(StoreError) -> TimerRow? {
        try asStoreError(path) {
            var found: TimerRow?
            let start = time.map {
                TableKey.time(Timestamp(nanoseconds: $0.nanoseconds == .max ? .max : $0.nanoseconds + 1))
            }
            try tables.scan(.timers, from: start, reversed: false) { key, _ in
                found = try Self.timer(key)
                return false
            }
            return found
        }
    }

    /// The runs that wait for a signal, the longest waiting first.
    package func waiters(of signal: String, limit: Int = .max) throws(StoreError) -> [WaiterRow] {
        try asStoreError(path) {
            var rows: [WaiterRow] = []
            try scanSignals(.waiter, signal) { reader, value in
                guard rows.count < limit else { return false }
                guard let since = reader.time(), let run = reader.integer(UInt64.self),
                    let step = reader.integer(UInt32.self), reader.left == 0
                else { throw StoreError(.damaged, "the key of a waiter for \(signal) is too short", table: .signals) }
                try Self.check(signal, longName: String(decoding: value, as: UTF8.self))
                rows.append(
                    WaiterRow(signal: signal, since: since, run: RunNumber(run), step: StepNumber(step)))
                return true
            }
            return rows
        }
    }

    /// The signals of this name that are kept for a waiter, the oldest first.
    package func kept(_ signal: String, limit: Int = .max) throws(StoreError) -> [KeptRow] {
        try asStoreError(path) {
            var rows: [KeptRow] = []
            try scanSignals(.kept, signal) { reader, value in
                guard rows.count < limit else { return false }
                guard let keptAt = reader.time(), reader.left == 0, let kept = KeptValue([UInt8](value)) else {
                    throw StoreError(.damaged, "the row of a kept \(signal) can't be decoded", table: .signals)
                }
                try Self.check(signal, longName: kept.longName)
                rows.append(KeptRow(signal: signal, keptAt: keptAt, until: kept.until, lsn: kept.lsn))
                return true
            }
            return rows
        }
    }

    /// What became of a signal that was sent before; run 0 stands for one that is kept. Receipts by idempotency key may
    /// be out of date.
    package func receipt(_ name: ReceiptName) throws(StoreError) -> (run: RunNumber, time: Timestamp)? {
        try asStoreError(path) {
            guard let bytes = try tables.get(.signals, TableKey.receipt(name)) else { return nil }
            guard let receipt = ReceiptValue(bytes) else {
                throw StoreError(.damaged, "the receipt of \(name) can't be decoded", table: .signals)
            }
            if case .key(let signal, let key) = name {
                try Self.check(TableKey.receiptText(signal, key), longName: receipt.longKey)
            }
            return (receipt.run, receipt.time)
        }
    }

    private func scanSignals(
        _ tag: TableKey.SignalTag, _ signal: String,
        _ visit: (inout KeyReader, UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        let prefix = TableKey.signal(tag, signal)
        try tables.scan(.signals, from: prefix, reversed: false) { key, value in
            guard key.starts(with: prefix) else { return false }
            var reader = KeyReader(UnsafeRawBufferPointer(rebasing: key[prefix.count...]))
            return try visit(&reader, value)
        }
    }

    /// A shortened name in the key stands in full in the value; two names with one short form can't be told apart.
    private static func check(_ signal: String, longName: String) throws {
        guard longName == longText(signal) else {
            throw StoreError(.damaged, "a row of signal \(signal) belongs to another signal", table: .signals)
        }
    }

    private static func timer(_ key: UnsafeRawBufferPointer) throws -> TimerRow {
        var reader = KeyReader(key)
        if let due = reader.time(), let run = reader.integer(UInt64.self) {
            if run == 0, let lsn = reader.integer(UInt64.self), reader.left == 0 {
                return TimerRow(due: due, owner: .keptSignal(LSN(lsn)))
            }
            if run != 0, let step = reader.integer(UInt32.self), reader.left == 0 {
                return TimerRow(due: due, owner: .step(RunNumber(run), StepNumber(step)))
            }
        }
        throw StoreError(.damaged, "a key of \(key.count) bytes is not a timer", table: .timers)
    }
}
