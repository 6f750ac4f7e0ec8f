extension LayerRule {
    /// What each target below Sources and Examples may import, from the bottom up. Imports point downwards only.
    static let table: [Layer] = [
        Layer("LMDB", ours: ["CLMDB", "StepLocks"], others: ["Glibc", "Synchronization"]),
        Layer("StepLocks", ours: [], others: ["Synchronization"]),
        // The vocabulary: no input or output, no clock, no Foundation.
        Layer("StepEvents", ours: [], others: []),
        Layer(
            "StepLog", ours: ["StepEvents", "StepLocks", "LMDB", "CNettle"],
            others: ["Glibc", "Synchronization", "Logging", "Metrics", "DequeModule"]),
        Layer(
            "StepCore", ours: ["StepEvents", "StepLocks"],
            others: ["Foundation", "FoundationEssentials", "Synchronization", "Logging", "ServiceLifecycle"]),
        // History and user code in, decisions out. Foundation only for the UUID and JSON that users see.
        Layer(
            "StepReplay", ours: ["StepEvents", "StepLocks", "StepCore"],
            others: [
                "Foundation", "FoundationEssentials", "Dispatch", "Synchronization", "Logging", "DequeModule",
                "HeapModule",
            ]),
        Layer(
            "StepEngine", ours: ["StepEvents", "StepLocks", "StepLog", "StepCore", "StepReplay"],
            others: [
                "Foundation", "FoundationEssentials", "Glibc", "Dispatch", "Synchronization", "Logging", "Metrics",
                "DequeModule", "HeapModule", "ServiceLifecycle",
            ]),
        Layer(
            "StepAudit", ours: ["StepEvents", "StepLog", "CNettle"],
            others: ["Foundation", "FoundationEssentials", "Glibc", "Synchronization"]),
        Layer(
            "StepKit", ours: ["StepEvents", "StepLog", "StepCore", "StepReplay", "StepEngine", "StepAudit"],
            others: ["Foundation", "FoundationEssentials", "Logging", "ServiceLifecycle"]),
        Layer("StepKitCLI", ours: ["StepKit"], others: ["Foundation", "Glibc", "Synchronization", "ArgumentParser"]),
        Layer(
            "OrderPipeline", ours: ["StepKit"],
            others: [
                "Foundation", "Glibc", "Dispatch", "Synchronization", "Logging", "ServiceLifecycle", "UnixSignals",
            ]),
        // The check must not share a mistake with what it checks.
        Layer("OrderCheck", ours: [], others: ["Foundation", "Glibc"]),
    ]
}
