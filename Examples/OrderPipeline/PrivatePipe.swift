import Foundation

/// A pipe that no other process inherits than the one whose standard output it is made: a copy in another child would
/// keep it open after both ends were closed here.
struct PrivatePipe {
    let reading: FileHandle
    let writing: FileHandle

    init() throws(PipelineError) {
        var ends: [Int32] = [-1, -1]
        // Not pipe(): only these are made in one call with the flag that keeps others from inheriting them.
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw .toolFailed(name: "pipe", reason: String(cString: strerror(errno)))
        }
        reading = FileHandle(fileDescriptor: ends[0], closeOnDealloc: true)
        writing = FileHandle(fileDescriptor: ends[1], closeOnDealloc: true)
    }
}
