import Logging
package import StepCore

/// What became of `RunUnwinding` in the tasks of a function that is to leave memory.
///
/// A task that gets it a second time asked for a step after the first: something in it caught the error and did not
/// throw it on. Other branches ask rightly until they get it themselves, and a task that awaits one of them can't be
/// told from one that has heard nothing, so neither proves anything.
struct UnwindingRecord {
    /// Where each task got it; `nil` once that it was swallowed there has been said.
    private var received: [TaskIdentity: CalledStep?] = [:]
    private var swallowed = 0
    private var asked = 0

    /// After so many calls of tasks that had swallowed it, every further one suspends for ever: a loop that catches
    /// everything and tries again would otherwise spin.
    static let swallowedLimit = 64
    /// The same whoever asks, where tasks can't be told apart: more than a function has branches that hear of it late.
    static let askedLimit = 100_000

    /// A call threw it. Returns the call that had thrown it in the same task before, once for each task.
    mutating func delivered(at call: CalledStep, to task: TaskIdentity) -> CalledStep? {
        guard let earlier = received[task] else {
            received[task] = .some(call)
            return nil
        }
        swallowed += 1
        received[task] = .some(nil)
        return earlier
    }

    /// A step was asked for. Returns whether the call must never be answered.
    mutating func refusesForGood() -> Bool {
        asked += 1
        return swallowed >= Self.swallowedLimit || asked > Self.askedLimit
    }
}

/// A function that is to leave memory does what it should not.
package enum UnwindingReport: Sendable, Hashable {
    /// A task asked for a step although an earlier call had thrown `RunUnwinding` in it.
    case swallowed(CalledStep, asked: CalledStep)
    /// The function goes on asking for steps: this call is never answered.
    case suspended(CalledStep)
    /// A task that the function left behind goes on asking although the run has ended: this call is never answered.
    case leftBehind(CalledStep)

    var level: Logger.Level {
        switch self {
        case .swallowed: .warning
        case .suspended, .leftBehind: .error
        }
    }

    var message: String {
        switch self {
        case .swallowed:
            """
            RunUnwinding was swallowed: a step was asked for in the same task after it. Throw it on, by \
            `catch let error as RunUnwinding { throw error }` before any catch-all, and in place of `try?`
            """
        case .suspended:
            "a step call is suspended for good: the function goes on asking for steps after RunUnwinding"
        case .leftBehind:
            "a step call is suspended for good: a task that outlived its run's function goes on asking for steps"
        }
    }

    var metadata: Logger.Metadata {
        switch self {
        case .swallowed(let earlier, let asked):
            [
                "thrown by": "\(earlier)", "thrown at": "\(earlier.site)", "step": "\(asked)", "site": "\(asked.site)",
            ]
        case .suspended(let call), .leftBehind(let call): ["step": "\(call)", "site": "\(call.site)"]
        }
    }
}

/// A call of a step method, as users find it in their code.
package struct CalledStep: Sendable, Hashable, CustomStringConvertible {
    package let scope: String
    package let id: String
    package let site: CallSite

    package init(_ call: StepCall) {
        scope = call.scope
        id = call.id
        site = call.site
    }

    package var description: String { scope.isEmpty ? id : "\(scope)/\(id)" }
}
