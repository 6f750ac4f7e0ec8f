import Foundation
import Testing

/// The scripts below `.ci`, run with a stand-in for the commands they call.
@Suite struct ScriptTests {
    /// Runs `script` with a `swift` that prints `lines`; what it prints, or the failure's status and message.
    private func run(_ script: String, swiftPrinting lines: [String]) throws -> String {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let swift = folder.appending(path: "swift")
        try standIn("printf '%s\\n' " + lines.map { "'\($0)'" }.joined(separator: " "), at: swift)
        return try result(of: ["env", "SWIFT=\(swift.path)", ".ci/\(script)"])
    }

    private func standIn(_ command: String, at file: URL) throws {
        try Data("#!/bin/sh\n\(command)\n".utf8).write(to: file)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path)
    }

    private func result(of command: [String]) throws -> String {
        do {
            return try output(of: command)
        } catch let failure as CommandFailed {
            return "status \(failure.status): \(failure.message)"
        }
    }

    @Test func expectedDependenciesPass() throws {
        let printed = try run("check-dependencies", swiftPrinting: ["swift-log", "swift-collections", "swift-log"])
        #expect(printed == "check-dependencies: 2 packages, all expected\n")
    }

    @Test(arguments: ["swift-nio", "swift-crypto", "async-http-client", "swift-nio-ssl", "hummingbird"])
    func heavyDependenciesFail(name: String) throws {
        let printed = try run("check-dependencies", swiftPrinting: ["swift-log", name])
        #expect(printed.hasPrefix("status 1: check-dependencies: \(name) reaches everyone"))
        #expect(printed.contains("trait"))
    }

    @Test func newAndMissingDependenciesFail() throws {
        #expect(
            try run("check-dependencies", swiftPrinting: ["swift-numerics"])
                .hasPrefix("status 1: check-dependencies: swift-numerics is new"))
        #expect(try run("check-dependencies", swiftPrinting: [""]).contains("nothing was checked"))
    }

    @Test func anEmptyTestRunFails() throws {
        let passed = "✔ Test run with 3 tests in 1 suite passed after 0.1 seconds."
        #expect(try run("swift-test", swiftPrinting: [passed]) == passed + "\n")
        let empty = passed.replacing("3 tests", with: "0 tests")
        #expect(try run("swift-test", swiftPrinting: [empty]).hasPrefix("status 1: swift-test: no test ran"))
        #expect(try run("swift-test", swiftPrinting: ["nothing"]).hasPrefix("status 1: swift-test: no test ran"))
    }

    /// What `.ci/setup` does where pkg-config is missing, for a user of the given id.
    private func setup(userID: Int, commands: [String: String]) throws -> String {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        for name in ["bash", "env", "sh"] {
            try FileManager.default.createSymbolicLink(
                at: folder.appending(path: name), withDestinationURL: URL(filePath: "/usr/bin/\(name)"))
        }
        try standIn("echo \(userID)", at: folder.appending(path: "id"))
        for (name, command) in commands {
            try standIn(command, at: folder.appending(path: name))
        }
        return try result(of: ["env", "PATH=\(folder.path)", "bash", ".ci/setup"])
    }

    @Test func setupInstallsWhatIsMissing() throws {
        let printed = try setup(userID: 0, commands: ["swift": "", "apt-get": "echo apt-get \"$@\""])
        #expect(printed.contains("apt-get -qq update\n"))
        #expect(printed.contains("apt-get -qq install -y --no-install-recommends pkg-config"))
    }

    @Test func setupGoesOnWhereUpdateFails() throws {
        let printed = try setup(userID: 0, commands: ["swift": "", "apt-get": "[ $2 = install ] && echo \"$@\""])
        #expect(printed.contains("install -y --no-install-recommends pkg-config"))
    }

    @Test func setupUsesSudoThatAsksNothing() throws {
        let sudo = "[ \"$1\" = -n ] || exit 9; shift; [ \"$1\" = true ] || echo sudo \"$@\""
        let printed = try setup(userID: 1000, commands: ["swift": "", "apt-get": "", "sudo": sudo])
        #expect(printed.contains("sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq install"))
    }

    @Test func setupSaysWhatToDoWhereItCannot() throws {
        let failing = try setup(userID: 0, commands: ["swift": "", "apt-get": "exit 7"])
        #expect(failing.hasPrefix("status 1:") && failing.contains("could not install pkg-config"))
        let noSudo = try setup(userID: 1000, commands: ["swift": "", "apt-get": ""])
        #expect(noSudo.hasPrefix("status 1:") && noSudo.contains("sudo apt-get install -y pkg-config"))
        let asking = try setup(userID: 1000, commands: ["swift": "", "apt-get": "", "sudo": "exit 1"])
        #expect(asking.hasPrefix("status 1:") && asking.contains("wants a password"))
        let noApt = try setup(userID: 0, commands: ["swift": ""])
        #expect(noApt.hasPrefix("status 1:") && noApt.contains("no apt-get"))
        let noSwift = try setup(userID: 0, commands: [:])
        #expect(noSwift.hasPrefix("status 1:") && noSwift.contains("no swift in PATH"))
    }
}
