import Foundation

/// Live progress: one line redrawn in place on a terminal, a line now and then elsewhere.
struct Display {
    private let isLive = isatty(STDOUT_FILENO) == 1
    private let clock = ContinuousClock()
    private let began = ContinuousClock().now
    private let orders: Int
    private var drawn: ContinuousClock.Instant?
    private var tenthsShown = 0

    init(orders: Int) { self.orders = orders }

    var elapsed: Duration { clock.now - began }

    mutating func show(_ tally: Tally) {
        let line = Display.line(tally, orders: orders, seconds: elapsed / .seconds(1))
        if isLive {
            // Ten times a second is plenty for the eye.
            if let drawn, clock.now - drawn < .milliseconds(100) { return }
            drawn = clock.now
            say("\r\u{1B}[2K\(line)")
        } else {
            let tenths = tally.ordersFinished * 10 / max(1, orders)
            guard tenths > tenthsShown else { return }
            tenthsShown = tenths
            say("\(line)\n")
        }
    }

    /// A line that stays.
    mutating func announce(_ text: String) {
        say(isLive ? "\r\u{1B}[2K\(text)\n" : "\(text)\n")
        drawn = nil
    }

    /// Takes the live line away.
    func clear() {
        if isLive { say("\r\u{1B}[2K") }
    }

    static func line(_ tally: Tally, orders: Int, seconds: Double) -> String {
        let cells = 24
        let filled = min(cells, tally.ordersFinished * cells / max(1, orders))
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: cells - filled)
        let tenths = Int(seconds * 10)
        return "[\(bar)] \(tally.ordersFinished)/\(orders) orders  \(tally.succeeded) steps  \(tally.failed) failures"
            + "  \(tally.kills) kills  \(tenths / 10).\(tenths % 10) s"
            + (tally.ordersFailed > 0 ? "  \(tally.ordersFailed) orders FAILED" : "")
    }
}
