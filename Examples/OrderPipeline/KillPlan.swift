/// When to kill the worker. The moments are drawn from the seed, in bodies begun rather than in seconds, so that they
/// come before the end on a fast machine and on a slow one.
struct KillPlan: Equatable {
    /// Kill this long after so many bodies have begun.
    struct Moment: Equatable {
        var begun: Int
        var delay: Duration
    }

    /// The demo promises at least three kills.
    static let fewest = 3
    /// How often to try again when no kill of the plan met a running body.
    static let mostExtra = 20

    private(set) var moments: [Moment]

    /// Three to five moments, one in each equal share of the work between its first twentieth and its last tenth.
    /// - Parameters:
    ///   - seed: draws the moments.
    ///   - steps: how many bodies the orders need at least.
    init(seed: UInt64, steps: Int) {
        var draw = Draw(seed: seed, "kills")
        let count = draw.integer(in: KillPlan.fewest...(KillPlan.fewest + 2))
        moments = (0..<count).map { index in
            let place = 0.05 + 0.85 * (Double(index) + draw.fraction()) / Double(count)
            return Moment(
                begun: max(1, Int(place * Double(steps))), delay: .microseconds(draw.integer(in: 0...4_000)))
        }
    }

    /// The delay until the next kill, if its moment has come.
    func due(_ tally: Tally) -> Duration? {
        // Each life gets to begin one body, so that even an order of few steps gets on between two kills.
        guard tally.begunInThisLife > 0 else { return nil }
        if tally.kills < moments.count {
            let next = moments[tally.kills]
            return tally.begun >= next.begun ? next.delay : nil
        }
        // The demo is about steps cut in the middle. If no kill met one, kill where one has just begun.
        let isMissed = tally.cutOff == 0 && tally.kills < moments.count + KillPlan.mostExtra
        return isMissed && tally.running > 0 ? .zero : nil
    }
}
