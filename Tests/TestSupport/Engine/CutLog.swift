package import StepEvents
package import StepLog

/// The log of a store as it would be if the process had died after any of its events.
package struct CutLog: Sendable {
    package let events: [Event]
    /// The lengths that the log had between two commits: where a crash leaves it.
    package let commits: [Int]

    /// Everything that the store holds, commit records left out.
    package init(of store: EventStore) throws {
        let logged = try store.read { try $0.events(after: .zero, limit: .max) }
        events = logged.map(\.event)
        // The record of a commit stands between the events of two.
        commits = (1..<logged.count).filter { logged[$0].lsn.value > logged[$0 - 1].lsn.value + 1 }
    }

    /// The lengths at which the log may be cut: anywhere but between events that are always written together.
    package var cuts: [Int] {
        (1..<events.count).filter { length in
            switch (events[length - 1].body, events[length].body) {
            case (.invokeStarted, .runStarted): false
            case (.waitResolved, .signalTaken): false
            default: true
            }
        }
    }

    /// A store in memory that holds the first events, as a new process would find it.
    package func store(upTo length: Int) throws -> MemoryTables {
        let tables = MemoryTables()
        var options = StoreOptions()
        options.writer = .manual
        let store = try EventStore.inMemory(tables, options: options)
        var states: [RunNumber: RunState] = [:]
        for event in events[..<length] {
            var batch = EventBatch()
            var changes: [TableChange] = []
            batch.append(event)
            if event.run == .store {
                Projection.changes(storeEvent: event, at: 0, into: &changes)
            } else if var state = states[event.run] {
                let transition = try state.apply(event)
                states[event.run] = state
                Projection.changes(transition, after: state, event: event, into: &changes)
            } else {
                let state = try RunState(event)
                states[event.run] = state
                Projection.changes(nil, after: state, event: event, into: &changes)
            }
            try store.submit(Command(batch: batch, changes: changes, priority: .completion))
            while store.commitPending() {}
        }
        store.close()
        return tables.crashClone()
    }
}
