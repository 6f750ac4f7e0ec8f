import Glibc
import Synchronization

/// Ctrl-C, for a command that would go on for ever and is to end in order.
enum Interrupt {
    private static let asked = Atomic<Bool>(false)

    /// From here on SIGINT and SIGTERM end nothing by themselves; what waits in the system is woken.
    static func watch() {
        for number in [SIGINT, SIGTERM] {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { _ in Interrupt.asked.store(true, ordering: .relaxed) }
            sigaction(number, &action, nil)
        }
        // A parent that blocks signals in the thread that starts us hands that down.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGINT)
        sigaddset(&signals, SIGTERM)
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }

    static var wasAsked: Bool { asked.load(ordering: .relaxed) }
}
