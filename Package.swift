// swift-tools-version: 6.2
import PackageDescription

// One list of settings for every target of ours. A misspelt upcoming feature is silently ignored by the compiler, so
// HouseRulesTests checks each name against what `swiftc -print-supported-features` lists.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

let log = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "stepkit",
    products: [
        .library(name: "StepKit", targets: ["StepKit"]),
        .executable(name: "stepkit", targets: ["StepKitCLI"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.1.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.6.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    ],
    targets: [
        // C libraries of the system.
        .systemLibrary(name: "CLMDB", pkgConfig: "lmdb", providers: [.apt(["liblmdb-dev"])]),
        .systemLibrary(name: "CNettle", pkgConfig: "nettle", providers: [.apt(["nettle-dev"])]),

        // The layers, from the bottom up.
        .target(name: "StepLocks"),
        .target(name: "LMDB", dependencies: ["CLMDB", "StepLocks"]),
        .target(name: "StepEvents"),
        .target(name: "StepLog", dependencies: ["StepEvents", "StepLocks", "LMDB", "CNettle", deque]),
        .target(name: "StepCore", dependencies: ["StepEvents", "StepLocks", log, lifecycle]),
        .target(name: "StepReplay", dependencies: ["StepEvents", "StepLocks", "StepCore", log, deque, heap]),
        .target(
            name: "StepEngine",
            dependencies: ["StepEvents", "StepLocks", "StepLog", "StepCore", "StepReplay", log, deque, heap]),
        .target(name: "StepAudit", dependencies: ["StepEvents", "StepLog"]),
        .target(
            name: "StepKit",
            dependencies: ["StepEvents", "StepLog", "StepCore", "StepReplay", "StepEngine", "StepAudit"]),
        .executableTarget(name: "StepKitCLI", dependencies: ["StepKit", arguments]),

        // Examples.
        .executableTarget(
            name: "OrderPipeline", dependencies: ["StepKit", log, lifecycle, signals], path: "Examples/OrderPipeline",
            exclude: ["sample-orders.jsonl"]),
        .executableTarget(name: "OrderCheck", path: "Examples/OrderCheck"),

        // Tests. TestSupport holds what several of them share: temporary stores, the virtual clock, builders.
        .target(
            name: "TestSupport",
            dependencies: ["LMDB", "StepEvents", "StepLocks", "StepLog", "StepCore", "StepReplay", "StepEngine", log],
            path: "Tests/TestSupport"),
        .testTarget(name: "LMDBTests", dependencies: ["LMDB", "CLMDB"]),
        .testTarget(name: "StepEventsTests", dependencies: ["StepEvents", "TestSupport"]),
        .testTarget(name: "StepLogTests", dependencies: ["StepLog", "StepEvents", "StepLocks", "LMDB", "TestSupport"]),
        .testTarget(
            name: "StepReplayTests",
            dependencies: ["StepReplay", "StepCore", "StepEvents", "StepLocks", "TestSupport", log]),
        .testTarget(
            name: "StepEngineTests",
            dependencies: [
                "StepKit", "StepEngine", "StepEvents", "StepLog", "StepCore", "StepLocks", "LMDB", "TestSupport", log,
                lifecycle,
            ]),
        // A process that CrashTests kill and whose disk they make fail. They start it by its path: linked into them, its
        // shim would stand between every test and the disk.
        .target(name: "CFaultShim", path: "Tests/CFaultShim"),
        .target(
            name: "CrashWorkload",
            dependencies: ["StepKit", "StepCore", "StepEvents", "StepEngine", "StepLog", "TestSupport", log],
            path: "Tests/CrashWorkload"),
        .executableTarget(
            name: "CrashWorker", dependencies: ["CFaultShim", "CrashWorkload", "StepEngine"],
            path: "Tests/CrashWorker"),
        .testTarget(
            name: "CrashTests",
            dependencies: [
                "StepKit", "StepCore", "StepEvents", "StepEngine", "StepLocks", "StepLog", "LMDB", "TestSupport",
                "CrashWorkload", log,
            ]),
        .testTarget(name: "HouseRulesTests"),
        .testTarget(
            name: "OrderPipelineTests", dependencies: ["OrderPipeline", "OrderCheck", "StepKit", "StepLog"]),
        .testTarget(name: "StepAuditTests", dependencies: ["StepAudit", "StepEvents", "StepLog", "TestSupport"]),
        .testTarget(
            name: "CLITests", dependencies: ["StepKitCLI", "StepKit", "StepEvents", "StepLog", "LMDB", "TestSupport"],
            exclude: ["Golden"]),
    ]
)

for target in package.targets where target.type != .system {
    target.swiftSettings = settings + (target.name == "LMDB" ? [.strictMemorySafety()] : [])
}

// Only `make docs` asks for the plugin, so that nobody else resolves it.
if Context.environment["STEPKIT_DOCS"] != nil {
    package.dependencies.append(.package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.4.0"))
}
