import CrashWorkload
import Foundation
import TestSupport
import Testing

extension CrashTests {
    /// Disks that are full in earnest: no call is made to fail by us.
    @Suite struct FullDiskTests {
        @Test("A process whose files may not grow gets no signal but a typed error, and loses nothing")
        func fileSizeLimit() throws {
            // Enough for the empty store, then for more and more of the work.
            for kilobytes: UInt64 in [160, 192, 224, 256] {
                var store = try FaultedStore(FaultLoopTests.plans)
                store.orders.fileSizeLimit = kilobytes << 10
                store.orders.givesUpWhenFull = true
                let (life, _) = try store.live()
                #expect(FaultLoopTests.isFull(life), "\(kilobytes) KiB: \(life.end), \(life.marks.suffix(2))")
                store.orders.fileSizeLimit = nil
                store.orders.givesUpWhenFull = false
                #expect(try store.finish() == [], "\(kilobytes) KiB")
            }
        }

        @Test(
            "On a full file system work is refused, and goes on in the same process once there is room",
            .enabled("mounting a file system needs root and loop devices") { LoopDisk.isPermitted })
        func fullFileSystem() throws {
            let disk = try LoopDisk(mebibytes: 24)
            let (ballast, crumb) = ("\(disk.path)/ballast", "\(disk.path)/crumb")
            var orders = WorkerOrders(store: "\(disk.path)/store", plans: FaultLoopTests.plans)
            orders.isHasty = true
            orders.verifies = true
            orders.tellsWhenFull = true
            var first = orders
            first.plans = []
            #expect(try WorkerProcess.live(first).finished())
            // What is left is enough to open the store, and for a part of the work.
            try Data(count: 24 << 10).write(to: URL(fileURLWithPath: crumb))
            try disk.fill(ballast)
            try FileManager.default.removeItem(atPath: crumb)
            var oracle = Oracle(orders.plans)
            let life = try WorkerProcess.live(orders) { mark in
                if mark == .full { try? FileManager.default.removeItem(atPath: ballast) }
            }
            oracle.take(life.marks)
            #expect(life.marks.contains(.full))
            #expect(life.finished(), "\(life.end), \(life.marks.suffix(2))")
            #expect(oracle.closeBooks() == [])
        }
    }
}

/// A small file system of its own in a file.
private final class LoopDisk {
    let path: String
    private let directory: TemporaryDirectory

    init(mebibytes: Int) throws {
        directory = try TemporaryDirectory("stepkit-disk")
        path = directory.appending("mounted")
        let image = directory.appending("image")
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        try Data().write(to: URL(fileURLWithPath: image))
        guard truncate(image, off_t(mebibytes << 20)) == 0, try Self.run("mkfs.ext4", "-q", image),
            try Self.run("mount", "-o", "loop", image, path)
        else { throw POSIXError(.EPERM) }
        chmod(path, 0o700)
    }

    deinit { _ = try? Self.run("umount", path) }

    /// Whether the system lets us mount one.
    static var isPermitted: Bool { geteuid() == 0 && (try? LoopDisk(mebibytes: 4)) != nil }

    /// Writes a file until nothing fits any more.
    func fill(_ path: String) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw POSIXError(.EIO) }
        defer { close(file) }
        for size in [1 << 20, 4_096] {
            let bytes = [UInt8](repeating: 1, count: size)
            while write(file, bytes, size) == size, fsync(file) == 0 {}
        }
    }

    private static func run(_ program: String, _ arguments: String...) throws -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [program] + arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}
