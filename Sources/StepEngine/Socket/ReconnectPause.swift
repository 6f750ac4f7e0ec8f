import Glibc

/// The pauses of a client whose engine is gone.
package struct ReconnectPause: Sendable {
    /// Waits before an attempt to connect that follows so many failed ones, on a thread that may wait.
    package var beforeConnecting: @Sendable (_ failures: Int) -> Void
    /// Waits before a result is asked for again, of which so many attempts have failed; false when no more are made.
    package var beforeAskingAgain: @Sendable (_ failures: Int) async throws -> Bool

    package init(
        beforeConnecting: @escaping @Sendable (_ failures: Int) -> Void,
        beforeAskingAgain: @escaping @Sendable (_ failures: Int) async throws -> Bool
    ) {
        self.beforeConnecting = beforeConnecting
        self.beforeAskingAgain = beforeAskingAgain
    }

    /// Calls that fail one after the other don't spin, and results wait for about half a minute, in which a service is
    /// deployed anew.
    package static let usual = ReconnectPause(
        beforeConnecting: { failures in
            if failures > 0 { poll(nil, 0, Int32(min(250, 25 << min(failures, 4)))) }
        },
        beforeAskingAgain: { failures in
            guard failures <= 30 else { return false }
            try await Task.sleep(for: .milliseconds(min(1_000, 50 << min(failures, 5))))
            return true
        })
}
