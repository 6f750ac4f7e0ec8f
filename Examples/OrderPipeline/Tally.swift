/// What the marks add up to, over all lives of the worker.
struct Tally: Equatable {
    /// Bodies begun since the demo began, and in this life of the worker.
    private(set) var begun = 0
    private(set) var begunInThisLife = 0
    private(set) var running = 0
    private(set) var succeeded = 0
    private(set) var failed = 0
    /// Every life meets the finished orders again, so the furthest life counts, not the sum.
    private(set) var ordersFinished = 0
    private(set) var ordersFailed = 0
    private(set) var kills = 0
    /// Bodies that were running when a kill came.
    private(set) var cutOff = 0

    private var finishedInThisLife = 0

    mutating func take(_ mark: Mark) {
        switch mark {
        case .bodyBegan:
            begun += 1
            begunInThisLife += 1
            running += 1
        case .bodySucceeded:
            running -= 1
            succeeded += 1
        case .bodyFailed:
            running -= 1
            failed += 1
        case .orderFinished:
            finishedInThisLife += 1
            ordersFinished = max(ordersFinished, finishedInThisLife)
        case .orderFailed:
            ordersFailed += 1
        }
    }

    /// The worker died of our kill, and all it said has been taken: whatever still ran was cut off.
    mutating func workerWasKilled() {
        kills += 1
        cutOff += running
        running = 0
        begunInThisLife = 0
        finishedInThisLife = 0
        ordersFailed = 0
    }
}
