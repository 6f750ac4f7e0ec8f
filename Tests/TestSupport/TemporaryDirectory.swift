import Foundation

/// A directory of a test's own, removed when the test lets go of it.
package final class TemporaryDirectory: Sendable {
    package let path: String

    /// Makes it; `inMemory` on a file system in memory, where there is one: for tests of many processes, whose syncs
    /// would keep the disk busy and prove nothing.
    package init(_ name: String = "stepkit-test", inMemory: Bool = false) throws {
        let memory = "/dev/shm"
        let base =
            inMemory && access(memory, W_OK | X_OK) == 0 ? memory : FileManager.default.temporaryDirectory.path
        var template = Array("\(base)/\(name).XXXXXX".utf8CString)
        guard let made = template.withUnsafeMutableBufferPointer({ $0.baseAddress.flatMap { mkdtemp($0) } }) else {
            throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
        }
        path = String(cString: made)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The path of a file or directory inside.
    package func appending(_ name: String) -> String { "\(path)/\(name)" }
}
