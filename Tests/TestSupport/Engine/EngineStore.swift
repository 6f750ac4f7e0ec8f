import Glibc
import LMDB
import StepEvents
import StepLocks
import StepLog

/// A store that an engine runs on, whose process a test may kill.
final class EngineStore: Sendable {
    private struct State {
        var store: EventStore
        var memory: MemoryTables
        var faults: LMDBFaults
    }

    let form: StoreForm
    private let directory: TemporaryDirectory
    private let state: Locked<State>
    private let incarnations: SeededRandomness
    private let writer: StoreOptions.WriterMode

    init(_ form: StoreForm, writer: StoreOptions.WriterMode, memory: MemoryTables?) throws {
        self.form = form
        self.writer = writer
        directory = try TemporaryDirectory()
        incarnations = SeededRandomness(seed: 0x1C)
        let memory = memory ?? MemoryTables()
        let faults = LMDBFaults()
        let options = Self.options(writer, faults, incarnations)
        let store =
            switch form {
            case .memory: try EventStore.inMemory(memory, options: options)
            case .lmdb: try EventStore.openLMDB(directory: directory.appending("store"), options: options)
            }
        state = Locked(State(store: store, memory: memory, faults: faults))
    }

    var store: EventStore { state.withLock { $0.store } }
    var memory: MemoryTables { state.withLock { $0.memory } }

    /// From here on nothing is written any more: the process has been killed.
    func kill() {
        let (memory, faults) = state.withLock { ($0.memory, $0.faults) }
        switch form {
        case .memory: memory.setFault { $0 == .beginWrite ? TablesError(.fatal, "the process was killed") : nil }
        case .lmdb: faults.failNext(.beginWrite, with: EIO, isSticky: true)
        }
    }

    /// From here on nothing finds room on the disk.
    func fill() {
        let (memory, faults) = state.withLock { ($0.memory, $0.faults) }
        switch form {
        case .memory: memory.setFault { $0 == .commit ? TablesError(.noSpace, "the disk is full") : nil }
        case .lmdb: faults.failNext(.commit, with: ENOSPC, isSticky: true)
        }
    }

    /// There is room on the disk again.
    func free() {
        let (memory, faults) = state.withLock { ($0.memory, $0.faults) }
        memory.setFault(nil)
        faults.heal()
    }

    /// Closes the store and opens it as a new process would.
    func reopen() throws {
        store.close()
        let faults = LMDBFaults()
        let options = Self.options(writer, faults, incarnations)
        switch form {
        case .memory:
            let memory = memory.crashClone()
            let store = try EventStore.inMemory(memory, options: options)
            state.withLock { $0 = State(store: store, memory: memory, faults: faults) }
        case .lmdb:
            let store = try EventStore.openLMDB(directory: directory.appending("store"), options: options)
            state.withLock { state in (state.store, state.faults) = (store, faults) }
        }
    }

    private static func options(
        _ writer: StoreOptions.WriterMode, _ faults: LMDBFaults, _ incarnations: SeededRandomness
    ) -> StoreOptions {
        // The store's own clock is the system's: its writer looks at it between commits, and no run ever sees it.
        var options = StoreOptions()
        options.makeIncarnation = { incarnations.next() }
        options.writer = writer
        options.mapBytes = 1 << 28
        options.space = { _ in nil }
        options.tables.faults = faults
        return options
    }
}
