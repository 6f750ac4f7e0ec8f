import StepEngine

/// Where a store is opened: a thread that may wait for the disk.
enum OpeningThread {
    static func run(_ body: @escaping @Sendable () -> Void) {
        // A system without threads left would not run the engine either; then the caller's thread has to wait.
        if !EngineThread.start(body) { body() }
    }
}
