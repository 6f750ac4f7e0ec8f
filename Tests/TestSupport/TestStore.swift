import Foundation
import StepLocks
package import StepLog

/// The forms of store that one suite of tests runs on.
package enum StoreForm: String, CaseIterable, Sendable {
    case memory
    case lmdb

}

/// A store for a test: on either form, with a clock of its own, closed and removed by ``withStore``, which also
/// verifies it.
package final class TestStore {
    package let form: StoreForm
    package let clock: ManualStoreClock
    package private(set) var store: EventStore
    package private(set) var options: StoreOptions
    package private(set) var memory: MemoryTables?
    package let faults = FaultPlan()
    private var parent: TemporaryDirectory
    private var copies = 0
    private var name = "store"

    package init(
        _ form: StoreForm, writer: StoreOptions.WriterMode = .manual, seed: UInt64 = 1,
        options change: (inout StoreOptions) -> Void = { _ in }
    ) throws {
        self.form = form
        clock = ManualStoreClock()
        let generator = Locked(SeededGenerator(seed: seed))
        var options = StoreOptions()
        options.clock = clock
        options.makeIncarnation = { generator.withLock { $0.next() } }
        options.writer = writer
        options.mapBytes = 1 << 30
        options.space = { _ in nil }
        options.tables.faults = faults.lmdb
        change(&options)
        self.options = options
        parent = try TemporaryDirectory()
        switch form {
        case .memory:
            let tables = MemoryTables(mapBytes: options.mapBytes)
            tables.setFault(faults.verdict)
            memory = tables
            store = try EventStore.inMemory(tables, options: options)
        case .lmdb: store = try EventStore.openLMDB(directory: parent.appending("store"), options: options)
        }
    }

    /// The store's directory.
    package var directory: String { parent.appending(name) }

    /// Submits and commits, and fails the test's expectations by throwing when the store refuses.
    package func commit(_ commands: [Command]) throws {
        for command in commands { try store.submit(command) }
        while store.commitPending() {}
    }

    package func commit(_ command: Command) throws { try commit([command]) }

    /// Closes the store in order and opens it again.
    package func reopen(_ change: (inout StoreOptions) -> Void = { _ in }) throws {
        store.close()
        change(&options)
        try open()
    }

    /// What a new process finds after this one was killed: what was committed, and nothing of what was queued.
    package func crash(
        keepingUnfinishedCommit: Bool = false, _ change: (inout StoreOptions) -> Void = { _ in }
    ) throws {
        switch form {
        case .memory: memory = memory?.crashClone(keepingUnfinishedCommit: keepingUnfinishedCommit)
        case .lmdb: try copyFiles()
        }
        store.close()
        change(&options)
        try open()
    }

    /// Closes the store and opens what `files` has made of its directory. LMDB only.
    package func reopen(changingFiles change: (_ directory: String) throws -> Void) throws {
        store.close()
        try change(directory)
        try open()
    }

    private func open() throws {
        switch form {
        case .memory:
            // Closed tables stay closed; what they hold is opened as by a new process.
            let tables = memory?.crashClone() ?? MemoryTables()
            tables.setFault(faults.verdict)
            memory = tables
            store = try EventStore.inMemory(tables, options: options)
        case .lmdb: store = try EventStore.openLMDB(directory: directory, options: options)
        }
    }

    private func copyFiles() throws {
        copies += 1
        let next = "store-\(copies)"
        let target = parent.appending(next)
        try FileManager.default.createDirectory(
            atPath: target, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        for file in ["data.mdb", "witness"] {
            try FileManager.default.copyItem(atPath: "\(directory)/\(file)", toPath: "\(target)/\(file)")
        }
        name = next
    }
}

/// A test left a store behind that does not hold what it says.
package struct UnsoundStore: Error, CustomStringConvertible {
    package let verification: Verification

    package var description: String {
        "the store does not verify:\n" + verification.findings.map { "- \($0)" }.joined(separator: "\n")
    }
}

/// Lends a store, verifies it afterwards and closes it.
package func withStore(
    _ form: StoreForm, writer: StoreOptions.WriterMode = .manual, seed: UInt64 = 1,
    options: (inout StoreOptions) -> Void = { _ in }, _ body: (TestStore) throws -> Void
) throws {
    let test = try TestStore(form, writer: writer, seed: seed, options: options)
    defer { test.store.close() }
    try body(test)
    // A store that has stopped can still be read.
    try test.store.requireSound()
}
