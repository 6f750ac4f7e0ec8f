import Foundation
import Testing

/// The `stepkit` program as a process of its own.
struct Program {
    struct End: Equatable {
        var status: Int32
        var output: String
        var complaint: String
        var wasSignalled = false
    }

    /// Beside the test program, where the build puts every program.
    static func path() throws -> String {
        let here = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let path = URL(filePath: here).deletingLastPathComponent().appending(path: "stepkit").path
        try #require(FileManager.default.isExecutableFile(atPath: path), "\(path) is not built")
        return path
    }

    /// Runs the program to its end. Output goes through files, which never fill up.
    static func run(_ arguments: [String], environment: [String: String] = [:], in folder: String? = nil) throws -> End
    {
        let process = Process()
        process.executableURL = URL(filePath: try path())
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        if let folder { process.currentDirectoryURL = URL(filePath: folder) }
        let files = try (0..<2).map { _ in try Collector() }
        process.standardOutput = files[0].handle
        process.standardError = files[1].handle
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return End(
            status: process.terminationStatus, output: try files[0].text(), complaint: try files[1].text(),
            wasSignalled: process.terminationReason == .uncaughtSignal)
    }

    /// A file that takes what a process prints.
    private struct Collector {
        let handle: FileHandle
        let url: URL

        init() throws {
            var template = Array("\(FileManager.default.temporaryDirectory.path)/stepkit-output.XXXXXX".utf8CString)
            let descriptor = mkstemp(&template)
            try #require(descriptor >= 0)
            url = URL(filePath: String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
            handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        }

        func text() throws -> String {
            defer { try? FileManager.default.removeItem(at: url) }
            return try String(contentsOf: url, encoding: .utf8)
        }
    }
}
