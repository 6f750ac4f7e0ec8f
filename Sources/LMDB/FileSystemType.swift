import CLMDB
import Glibc

/// What kind of file system a directory lies on, by the number that `statfs` gives.
package struct FileSystemType: Equatable, Sendable {
    package enum Suitability: Equatable, Sendable {
        case supported
        /// Works, but a promise is weaker: memory only, or a layer whose `fsync` is someone else's code.
        case doubtful
        case refused
    }

    package let name: String
    package let suitability: Suitability

    package init(name: String, suitability: Suitability) {
        self.name = name
        self.suitability = suitability
    }

    /// The numbers stand in statfs(2) and in the kernel's magic.h.
    package init(magic: UInt32) {
        let known = Self.known[magic]
        name = known?.0 ?? "an unknown file system (0x\(String(magic, radix: 16)))"
        suitability = known?.1 ?? .doubtful
    }

    private static let known: [UInt32: (String, Suitability)] = [
        0xEF53: ("ext4", .supported), 0x5846_5342: ("xfs", .supported), 0x9123_683E: ("btrfs", .supported),
        0x2FC1_2FC1: ("zfs", .supported), 0xF2F5_2010: ("f2fs", .supported), 0xCA45_1A4E: ("bcachefs", .supported),
        0x0102_1994: ("tmpfs", .doubtful), 0x8584_58F6: ("ramfs", .doubtful), 0x794C_7630: ("overlay", .doubtful),
        0x6573_5546: ("fuse", .doubtful),
        0x6969: ("nfs", .refused), 0xFF53_4D42: ("cifs", .refused), 0xFE53_4D42: ("smb2", .refused),
        0x517B: ("smb", .refused), 0x0102_1997: ("9p", .refused), 0x00C3_6400: ("ceph", .refused),
        0x5346_414F: ("afs", .refused), 0x6B41_4653: ("afs", .refused), 0x7375_7245: ("coda", .refused),
        0x0BD0_0BD0: ("lustre", .refused), 0x564C: ("ncp", .refused), 0x786F_4256: ("vboxsf", .refused),
    ]

    /// Asks the kernel. — statfs
    static func of(_ path: String) throws -> FileSystemType {
        var answer = statfs()
        guard unsafe statfs(path, &answer) == 0 else {
            throw LMDBError(code: errno, operation: "ask for the file system", path: path)
        }
        return FileSystemType(magic: UInt32(truncatingIfNeeded: answer.f_type))
    }
}
