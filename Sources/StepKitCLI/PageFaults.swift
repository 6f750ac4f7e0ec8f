import Glibc

/// Turns the signals of a database whose pages make no sense into an exit status.
///
/// The database is mapped into memory and its pages carry no checksums: a damaged one can lead outside the map. By
/// then nothing in this process can be trusted, so it ends, but says why.
enum PageFaults {
    /// The same as a check in a child process may end by: Swift's own checks trap, which is SIGILL or SIGTRAP.
    static let signals = ChildProcess.faults

    static func report() {
        // A parent that blocks signals in the thread that starts us hands that down, and a blocked fault ends the
        // process without its handler.
        var faults = sigset_t()
        sigemptyset(&faults)
        for number in signals { sigaddset(&faults, number) }
        pthread_sigmask(SIG_UNBLOCK, &faults, nil)
        for number in signals {
            signal(number) { _ in
                // Only what is safe in a signal handler.
                PageFaults.message.withUTF8Buffer { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
                _exit(EndStatus.store.rawValue)
            }
        }
    }

    /// A child process rather ends by the signal: its parent says what it means.
    static func leaveToParent() {
        for number in signals { signal(number, SIG_DFL) }
    }

    static let message: StaticString =
        "stepkit: the store's pages can't be read: it is damaged. Run `stepkit verify`, then restore a backup.\n"
}
