import Glibc
package import StepEvents

/// The machine's clocks and disk space. The only file of this module that reads either.
package struct SystemStoreClock: StoreClock {
    package init() {}

    package var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    package var uptime: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    package func wait(on monitor: Monitor, until deadline: UInt64?) {
        if let deadline { monitor.wait(untilMonotonic: deadline) } else { monitor.wait() }
    }

    /// Room on the file system of `directory`, as an unprivileged process may use it.
    @Sendable package static func space(of directory: String) -> StoreOptions.Space? {
        var answer = statvfs()
        guard statvfs(directory, &answer) == 0 else { return nil }
        return StoreOptions.Space(
            freeBytes: Int(clamping: UInt64(answer.f_bavail) * UInt64(answer.f_frsize)),
            totalBytes: Int(clamping: UInt64(answer.f_blocks) * UInt64(answer.f_frsize)))
    }
}
