import Glibc
import LMDB
import StepCore
import StepEngine
import StepKit
import StepLocks
import StepLog
import TestSupport
import Testing

@Suite("Opening a client", .timeLimit(.minutes(5)))
struct OpeningTests {
    @Test("All that opening reads is read on its own thread, and what fails leaves the store free")
    func failingRead() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.appending("store")
        let reading = Locked<Set<UInt>>([])
        let opening = Locked<UInt?>(nil)
        let faults = LMDBFaults { call, _ in
            if call == .beginRead { reading.withLock { _ = $0.insert(UInt(pthread_self())) } }
        }
        let driver = LocalDriver(surroundings: { Engine.Surroundings() }) {
            opening.withLock { $0 = UInt(pthread_self()) }
            var options = StoreOptions()
            options.tables.faults = faults
            let store = try EventStore.openLMDB(directory: path, options: options)
            faults.failNext(.beginRead, with: EIO)
            return store
        }
        let error = await #expect(throws: StoreError.self) { _ = try await Client(id: "c", driver: driver) }
        #expect(error?.code == .system)
        #expect(reading.withLock { $0 } == Set([opening.withLock { $0 }].compactMap { $0 }))
        let client = try await Client(id: "c", driver: .lmdb(path: path))
        await client.close()
    }

    @Test("A client that stands by takes over when the other one closes")
    func standby() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.appending("store")
        let holder = try await Client(id: "c", driver: .lmdb(path: path))
        await #expect(throws: StoreError.self) { _ = try await Client(id: "c", driver: .lmdb(path: path)) }
        let next = Task { try await Client(id: "c", driver: .lmdb(path: path, standby: true)) }
        await holder.close()
        let client = try await next.value
        await client.close()
    }

    @Test("A task that is cancelled stops standing by")
    func cancelledStandby() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.appending("store")
        let holder = try await Client(id: "c", driver: .lmdb(path: path))
        let waiting = Task { _ = try await Client(id: "c", driver: .lmdb(path: path, standby: true)) }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        await holder.close()
    }
}
