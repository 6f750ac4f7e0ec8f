import Glibc
import StepLocks

extension Environment {
    /// Has the file system set aside what one transaction may add to the file, so that a full disk shows before the
    /// transaction: when a write of LMDB's stops half-way, LMDB reports no more than an input/output error.
    ///
    /// Call it on the writer's thread. It costs nothing while what was set aside before is not used up; where the
    /// file system can't do it, it only looks at the limit on the size of files.
    ///
    /// - Throws: `LMDBError` whose `isNoSpace` is true.
    package func reserve(bytes: Int) throws {
        try checkFileSizeLimit(adding: bytes)
        let end = try info.usedBytes + bytes
        let reserved = reservedEnd.withLock { $0 }
        guard end > reserved else { return }
        // Much at once, so that most transactions find enough; but when only this one fits, that is enough.
        for spare in [Self.reservationStep, 0] {
            let code = LMDBCalls.reserve(handle, from: reserved, to: end + spare)
            if code == 0 { return reservedEnd.withLock { $0 = end + spare } }
            let error = failure(code, "reserve")
            guard error.isNoSpace else { return }
            if spare == 0 { throw error }
        }
    }

    /// Refuses a file that would become longer than this process may make one. — getrlimit
    package func checkFileSizeLimit(adding bytes: Int) throws {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0,
            limit.rlim_cur < rlim_t(Int.max), try info.usedBytes + bytes > Int(limit.rlim_cur)
        else { return }
        throw failure(EFBIG, "reserve")
    }

    private static let reservationStep = 1 << 20
}
