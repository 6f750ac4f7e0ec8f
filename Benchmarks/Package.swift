// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "stepkit-benchmarks",
    dependencies: [.package(name: "stepkit", path: "..")],
    targets: [
        // The floors use the database without anything of ours in between.
        .systemLibrary(name: "CLMDBFloor", pkgConfig: "lmdb", providers: [.apt(["liblmdb-dev"])]),
        .executableTarget(
            name: "StepKitBenchmarks",
            dependencies: ["CLMDBFloor", .product(name: "StepKit", package: "stepkit")],
            swiftSettings: [
                .swiftLanguageMode(.v6),
                .enableUpcomingFeature("ExistentialAny"),
                .enableUpcomingFeature("InternalImportsByDefault"),
                .enableUpcomingFeature("MemberImportVisibility"),
                .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
                .treatAllWarnings(as: .error),
            ]),
    ]
)
