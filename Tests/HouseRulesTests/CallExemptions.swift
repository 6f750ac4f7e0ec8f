extension CallRule {
    /// Who may make such calls, with the reason.
    static let allowed: [Exemption] = [
        Exemption(
            path: "Sources/StepLog/SystemStoreClock.swift", kinds: [.clock],
            reason: "the real clock behind the one that is injected into stores"),
        Exemption(
            path: "Sources/StepLog/SystemIncarnation.swift", kinds: [.randomness],
            reason: "two lives of a store must never share a number; tests inject theirs"),
        Exemption(
            path: "Sources/StepLog/Writer/WriterThread.swift", kinds: [.sleep],
            reason: "leaves the processor to busy runs for 20 µs at a time; nothing is decided by how long that takes"),
        Exemption(
            path: "Sources/StepEngine/SystemClock.swift", kinds: [.clock, .sleep],
            reason: "the real clock behind the one that is injected"),
        Exemption(
            path: "Sources/StepEngine/SystemRandomness.swift", kinds: [.randomness],
            reason: "the real randomness behind the generator that is injected"),
        Exemption(
            path: "Sources/StepEngine/Socket/ReconnectPause.swift", kinds: [.sleep],
            reason: "a client waits for an engine in another process; tests put their own pauses in its place"),
        Exemption(
            path: "Sources/LMDB/EnvironmentOpening.swift", kinds: [.clock, .sleep],
            reason: "the pause between attempts at opening, which callers may replace; another process is waited for"),
        Exemption(
            path: "Examples/OrderPipeline/", kinds: [.clock, .sleep],
            reason: "its step bodies stand for work that takes time, and its supervisor measures real time"),
        Exemption(
            path: "Tests/CrashTests/WorkerProcess.swift", kinds: [.clock],
            reason: "it kills processes at moments of their lives, and tells those that hang"),
        Exemption(
            path: "Tests/CrashTests/Seeds.swift", kinds: [.randomness],
            reason: "a long run must not repeat the short one; it prints the seed that it drew"),
        Exemption(
            path: "Benchmarks/", kinds: [.clock],
            reason: "measuring real time is what benchmarks are for"),
    ]
}
