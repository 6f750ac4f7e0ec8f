import StepLocks

/// A plan of failures for one environment, for tests only: the n-th call of a kind fails with a given code.
///
/// It is handed over in `Environment.Options`, so tests that run side by side don't disturb one another. With no plan
/// (always, outside tests) a call costs one comparison with nil.
package final class LMDBFaults: Sendable {
    /// The kinds of call that can be made to fail.
    package enum Call: String, Sendable, CaseIterable {
        case openEnvironment, beginRead, beginWrite, openTable, get, put, delete, cursorMove, commit, setMapSize, sync
        case copy, reserve
    }

    private struct Rule {
        var call: Call
        var number: Int
        var code: Int32
        var isSticky: Bool
        var afterEffect: Bool
    }

    private struct State {
        var rules: [Rule] = []
        var counts: [Call: Int] = [:]
    }

    private let state = Locked(State())
    private let observer: (@Sendable (Call, Int) -> Void)?

    /// - Parameter observer: Told of each call and its number before it is made; it may end the process.
    package init(observer: (@Sendable (Call, Int) -> Void)? = nil) {
        self.observer = observer
    }

    /// Lets the n-th call of this kind (counted from the creation of the plan, the first is 1) fail.
    ///
    /// - Parameters:
    ///   - call: The kind of call.
    ///   - number: Which call of its kind, from 1.
    ///   - code: The errno or LMDB code it returns.
    ///   - isSticky: Whether every later call of the kind fails too.
    ///   - afterEffect: Whether the call does its work before it reports failure: a disk that fails falsely.
    package func fail(
        _ call: Call, at number: Int, with code: Int32, isSticky: Bool = false, afterEffect: Bool = false
    ) {
        state.withLock {
            $0.rules.append(
                Rule(call: call, number: number, code: code, isSticky: isSticky, afterEffect: afterEffect))
        }
    }

    /// Lets the next call of this kind fail.
    package func failNext(_ call: Call, with code: Int32, isSticky: Bool = false, afterEffect: Bool = false) {
        fail(call, at: calls(of: call) + 1, with: code, isSticky: isSticky, afterEffect: afterEffect)
    }

    /// How many calls of this kind were met so far, failed ones included.
    package func calls(of call: Call) -> Int {
        state.withLock { $0.counts[call, default: 0] }
    }

    /// Forgets all rules; the counts stay.
    package func heal() {
        state.withLock { $0.rules = [] }
    }

    struct Verdict {
        var code: Int32
        var afterEffect: Bool
    }

    func verdict(_ call: Call) -> Verdict? {
        let (number, verdict) = state.withLock { state in
            let number = state.counts[call, default: 0] + 1
            state.counts[call] = number
            let rule = state.rules.first {
                $0.call == call && ($0.number == number || ($0.isSticky && $0.number < number))
            }
            return (number, rule.map { Verdict(code: $0.code, afterEffect: $0.afterEffect) })
        }
        observer?(call, number)
        return verdict
    }
}
