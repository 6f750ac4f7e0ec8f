/// How long each attempt of a step body takes and whether, and where, it fails: drawn from the seed and the attempt's
/// name, so that a rerun meets the same weather.
struct FaultModel: Sendable {
    /// What one attempt will do.
    struct Plan: Equatable {
        enum Failure { case never, beforeEffect, afterEffect }
        var duration: Duration
        var failure: Failure
    }

    /// One attempt in ten fails.
    static let failureShare = 0.1
    /// Attempts above this one never fail, so a step with six attempts always gets through in the end.
    static let lastFailingAttempt = 4

    var seed: UInt64

    func plan(order: String, scope: String, step: String, occurrence: Int, attempt: Int) -> Plan {
        var draw = Draw(seed: seed, "fault", order, scope, step, String(occurrence), String(attempt))
        let duration = Duration.microseconds(draw.integer(in: 2_000...20_000))
        let fails = draw.fraction() < FaultModel.failureShare && attempt <= FaultModel.lastFailingAttempt
        let early = draw.fraction() < 0.5
        return Plan(duration: duration, failure: fails ? (early ? .beforeEffect : .afterEffect) : .never)
    }
}
