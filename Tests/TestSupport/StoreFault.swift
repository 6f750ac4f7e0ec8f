import Glibc
package import LMDB
import StepLocks
import StepLog

/// What a disk can do to a commit, for either form of store.
package enum StoreFault: String, CaseIterable, Sendable {
    case mapFull
    case interrupted
    case noSpace
    case io

    /// Where it strikes.
    package enum Place: String, CaseIterable, Sendable {
        case put
        case commit
    }

    fileprivate var lmdbCode: Int32 {
        switch self {
        case .mapFull: LMDBError.mapFull
        case .interrupted: EINTR
        case .noSpace: ENOSPC
        case .io: EIO
        }
    }

    fileprivate var tablesError: TablesError {
        switch self {
        case .mapFull: TablesError(.mapFull, "injected")
        case .interrupted: TablesError(.transient, "injected")
        case .noSpace: TablesError(.noSpace, "injected")
        case .io: TablesError(.fatal, "injected")
        }
    }
}

/// Makes the calls of one store fail.
package final class FaultPlan: Sendable {
    private struct Rule {
        var fault: StoreFault
        var place: StoreFault.Place
        var left: Int
        var afterEffect: Bool
    }

    package let lmdb = LMDBFaults()
    private let rule = Locked<Rule?>(nil)

    package init() {}

    /// Lets the next `times` calls fail; `afterEffect` lets a commit do its work before it reports failure.
    package func fail(
        _ fault: StoreFault, at place: StoreFault.Place, times: Int, afterEffect: Bool = false
    ) {
        rule.withLock { $0 = Rule(fault: fault, place: place, left: times, afterEffect: afterEffect) }
        let call: LMDBFaults.Call = place == .put ? .put : .commit
        for number in 1...times {
            lmdb.fail(
                call, at: lmdb.calls(of: call) + number, with: fault.lmdbCode, afterEffect: afterEffect)
        }
    }

    package func heal() {
        rule.withLock { $0 = nil }
        lmdb.heal()
    }

    /// What the tables in memory ask before each call.
    func verdict(_ call: MemoryTables.Call) -> TablesError? {
        rule.withLock { rule in
            guard let current = rule, current.left > 0 else { return nil }
            let strikes =
                switch call {
                case .beginWrite: false
                case .put: current.place == .put
                case .commit: current.place == .commit && !current.afterEffect
                case .commitAfterEffect: current.place == .commit && current.afterEffect
                }
            guard strikes else { return nil }
            rule?.left -= 1
            return current.fault.tablesError
        }
    }
}
