import Foundation

/// The files of this repository and what its manifest says.
struct Repository: Sendable {
    /// Every file that git tracks or would add, in order.
    let files: [SourceFile]
    let manifest: Manifest

    /// Read once for all rules.
    static let shared = Result { try Repository() }

    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private init() throws {
        let listing = try output(of: ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        let paths = Set(listing.split(separator: "\0").map(String.init)).sorted()
        files = paths.compactMap { path in
            // A file that is tracked but deleted has nothing to check.
            guard let data = try? Data(contentsOf: Self.root.appending(path: path)) else { return nil }
            return SourceFile(path: path, text: Array(data))
        }
        manifest = try Manifest()
    }

    /// Swift sources below one of `folders`.
    func sources(in folders: String...) -> [SourceFile] {
        files.filter { file in file.isSwift && folders.contains { file.path.hasPrefix($0 + "/") } }
    }
}

/// A command that the rules rest on could not be run.
struct CommandFailed: Error, CustomStringConvertible {
    var command: [String]
    var status: Int32
    var message: String

    var description: String {
        "`\(command.joined(separator: " "))` ended with status \(status) in the repository's top folder: \(message) "
            + "The house rules need git and the Swift toolchain in PATH, and a git checkout that this user may read."
    }
}

/// What `command` prints, run in the repository's top folder.
func output(of command: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = command
    process.currentDirectoryURL = Repository.root
    // Inside a git hook these name another index than the one that is meant.
    process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("GIT_") }
    // Files rather than pipes: nothing has to read while the command runs.
    let folder = try temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let (out, err) = (folder.appending(path: "out"), folder.appending(path: "err"))
    try Data().write(to: out)
    try Data().write(to: err)
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try FileHandle(forWritingTo: out)
    process.standardError = try FileHandle(forWritingTo: err)
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
        let message = String(decoding: try Data(contentsOf: err), as: UTF8.self)
        throw CommandFailed(command: command, status: process.terminationStatus, message: message)
    }
    return String(decoding: try Data(contentsOf: out), as: UTF8.self)
}

/// A new folder of this call's own. The caller removes it.
func temporaryFolder() throws -> URL {
    var template = Array("\(FileManager.default.temporaryDirectory.path)/house-rules-XXXXXX".utf8CString)
    guard let path = mkdtemp(&template) else { throw CocoaError(.fileWriteUnknown) }
    return URL(filePath: String(cString: path))
}
