import Foundation
import LMDB
import StepKit
import TestSupport
import Testing

@testable import StepKitCLI

@Suite("Stores that can't be read")
struct BadStoreTests {
    private static let commands = [["runs"], ["show", "x"], ["events", "--json"], ["stats"], ["verify"]]

    private func expect(_ store: String, _ status: Int32, _ message: String) throws {
        for command in Self.commands {
            let end = try Program.run(command + ["--store", store])
            #expect(end.status == status, "\(command): \(end)")
            #expect(!end.wasSignalled)
            #expect(end.output == "")
            #expect(end.complaint.contains(message), "\(command): \(end)")
            #expect(end.complaint.split(separator: "\n").count == 1, "\(command): \(end)")
        }
    }

    @Test("No store at all")
    func missing() throws {
        let folder = try TemporaryDirectory()
        try withExtendedLifetime(folder) {
            try expect(folder.appending("nothing"), 1, "there is no such directory")
            try expect(folder.path, 1, "there is no store in it")
            let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            #expect(left.isEmpty)
        }
    }

    @Test("A file where the directory should be, a file of someone else's")
    func foreign() throws {
        let folder = try TemporaryDirectory()
        defer { withExtendedLifetime(folder) {} }
        let file = folder.appending("data.mdb")
        try Data("hello, I am a text of more than a few bytes".utf8).write(to: URL(filePath: file))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: folder.path)
        try expect(folder.path, 3, "stepkit: store \(folder.path): ")
        try expect(file, 3, "it is not a directory")
    }

    @Test("A file that was cut short", arguments: [0, 1_000, 8_192, 20_000])
    func truncated(length: Int) throws {
        try withSampleStore { sample in
            #expect(truncate("\(sample.path)/data.mdb", length) == 0)
            try expect(sample.path, 3, "stepkit: store \(sample.path): ")
        }
    }

    @Test("Files that others can write")
    func permissions() throws {
        try withSampleStore { sample in
            #expect(chmod("\(sample.path)/data.mdb", 0o666) == 0)
            try expect(sample.path, 3, "has mode 666")
        }
    }

    @Test("A store of a newer version")
    func newerFormat() throws {
        try withSampleStore { sample in
            let file = URL(filePath: "\(sample.path)/data.mdb")
            var data = try Data(contentsOf: file)
            var found = 0
            while let magic = data.range(of: Data("STEPKIT\0\u{3}\0".utf8)) {
                data[magic.upperBound - 2] = 99
                found += 1
            }
            #expect(found > 0)
            let handle = try FileHandle(forWritingTo: file)
            try handle.write(contentsOf: data)
            try handle.close()
            try expect(sample.path, 3, "the store has format 99")
        }
    }

    @Test("A store whose last commit is torn is not shown as the truth; a check says so")
    func torn() throws {
        try withSampleStore { sample in
            let environment = try Environment.open(directory: sample.path)
            try environment.write { try $0.put(try $0.table("meta"), key: Array("stranger".utf8), value: [1]) }
            environment.close()
            for command in Self.commands.dropLast() {
                let end = try Program.run(command + ["--store", sample.path])
                #expect(end.status == 3, "\(command): \(end)")
                #expect(end.output == "")
                #expect(end.complaint.contains("the log ends with transaction"), "\(command): \(end)")
            }
            let check = try Program.run(["verify", "--json", "--store", sample.path])
            #expect(check.status == 3)
            #expect(check.output.contains(#""finding":"rollback""#))
            #expect(check.output.contains(#""sound":false"#))
        }
    }

    @Test("A path that leads nowhere sensible is one line, and says what is wrong with it")
    func paths() throws {
        let folder = try TemporaryDirectory()
        defer { withExtendedLifetime(folder) {} }
        let file = folder.appending("file")
        try Data("hello".utf8).write(to: URL(filePath: file))
        try expect(file, 3, "it is not a directory")
        try expect("\(file)/store", 1, "Not a directory")
        let loop = folder.appending("loop")
        try FileManager.default.createSymbolicLink(atPath: loop, withDestinationPath: loop)
        try expect(loop, 1, "stepkit: store \(loop): ")
        try expect(folder.appending("missing/store"), 1, "there is no such directory")
    }

    @Test("The store is found by the environment, else in the folder")
    func defaults() throws {
        try withSampleStore { sample in
            let named = try Program.run(["runs", "--json"], environment: ["STEPKIT_STORE": sample.path])
            #expect(named.status == 0)
            #expect(named.output.split(separator: "\n").count == 5)
            let folder = URL(filePath: sample.path).deletingLastPathComponent().path
            try FileManager.default.createSymbolicLink(
                atPath: "\(folder)/.stepkit", withDestinationPath: sample.path)
            let local = try Program.run(["runs", "--json"], in: folder)
            #expect(local.output == named.output)
        }
    }
}
