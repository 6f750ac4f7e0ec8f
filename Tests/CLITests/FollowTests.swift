import Foundation
import StepEvents
import StepKit
import StepLog
import Synchronization
import TestSupport
import Testing

@testable import StepKitCLI

@Suite("stepkit events --follow", .timeLimit(.minutes(1)))
struct FollowTests {
    /// A `stepkit` that follows a store whose engine is this very process.
    private final class Follower {
        let process = Process()
        private let output: FileHandle
        private var rest = Data()

        init(_ arguments: [String]) throws {
            process.executableURL = URL(filePath: try Program.path())
            process.arguments = arguments
            // No other process that a test starts meanwhile may inherit either end, or closing ours would tell nobody.
            var ends: [Int32] = [-1, -1]
            let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
            try #require(socketpair(AF_UNIX, kind, 0, &ends) == 0)
            output = FileHandle(fileDescriptor: ends[0], closeOnDealloc: true)
            let writing = FileHandle(fileDescriptor: ends[1], closeOnDealloc: true)
            process.standardOutput = writing
            try process.run()
            try writing.close()
        }

        deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

        /// The next lines; waits for them. Fewer when the process ended.
        func lines(_ count: Int) -> [String] {
            var lines: [String] = []
            while lines.count < count {
                if let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                    lines.append(String(decoding: rest[..<end], as: UTF8.self))
                    rest = Data(rest[(end + 1)...])
                    continue
                }
                let data = output.availableData
                if data.isEmpty { break }
                rest += data
            }
            return lines
        }

        func closeOutput() throws { try output.close() }

        func end() -> Int32 {
            process.waitUntilExit()
            return process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
        }
    }

    private func lsns(_ lines: [String]) throws -> [Int] {
        try lines.map { line in
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            return try #require(object?["lsn"] as? Int)
        }
    }

    @Test("It prints what is there, then what a live engine writes, and ends with 0 on Ctrl-C")
    func tail() throws {
        var sample = try SampleStore()
        defer { sample.close() }
        let follower = try Follower(["events", "--json", "--follow", "--after", "57", "--store", sample.path])
        #expect(try lsns(follower.lines(6)) == [59, 61, 63, 65, 67, 69])
        let run = try sample.start("late", key: "late")
        #expect(try lsns(follower.lines(1)) == [71])
        try sample.record(run, [(.milliseconds(1), sample.started("a")), (.milliseconds(1), sample.succeeded(1, "7"))])
        let lines = follower.lines(2)
        #expect(lines.last?.contains(#""step":"a","occurrence":0,"attempt":1,"data":7"#) == true)
        kill(follower.process.processIdentifier, SIGINT)
        #expect(follower.lines(1).isEmpty)
        #expect(follower.end() == 0)
    }

    @Test("With --run it prints that run alone")
    func oneRun() throws {
        var sample = try SampleStore()
        defer { sample.close() }
        let run = try sample.start("mine", key: "mine")
        let follower = try Follower(["events", "--json", "--follow", "--run", "mine", "--store", sample.path])
        #expect(follower.lines(1).count == 1)
        _ = try sample.start("other", key: "other")
        try sample.record(run, [(.milliseconds(1), sample.started("a"))])
        #expect(follower.lines(1).first?.contains(#""kind":"stepStarted""#) == true)
        kill(follower.process.processIdentifier, SIGTERM)
        #expect(follower.end() == 0)
    }

    @Test("It ends quietly when nobody reads any more, also while nothing happens")
    func closedOutput() throws {
        let sample = try SampleStore()
        defer { sample.close() }
        let follower = try Follower(["events", "--json", "--follow", "--store", sample.path])
        #expect(follower.lines(1).count == 1)
        try follower.closeOutput()
        #expect(follower.end() == 0)
    }

    @Test("While an engine writes all the time every command works")
    func besideWriter() throws {
        let test = try TestStore(.lmdb, writer: .thread)
        defer { test.store.close() }
        let isOver = Atomic<Bool>(false)
        let store = test.store
        let workload = Mutex(RandomWorkload(seed: 3))
        let writer = Thread {
            while !isOver.load(ordering: .acquiring) {
                guard let command = try? workload.withLock({ try $0.next() }) else { return }
                while (try? store.submit(command)) == nil, !isOver.load(ordering: .acquiring) {}
                while store.queuedCommands > 100, !isOver.load(ordering: .acquiring) {}
            }
        }
        writer.start()
        defer { isOver.store(true, ordering: .releasing) }
        for command in [["runs"], ["events", "--json"], ["stats"], ["verify"], ["runs", "--json"]] {
            let end = try Program.run(command + ["--store", test.directory])
            #expect(end.status == 0, "\(command): \(end.complaint)")
            #expect(end.complaint == "")
        }
    }

    @Test("What a damaged page can do to the process is told in order", arguments: ChildProcess.faults.sorted())
    func fault(number: Int32) throws {
        let sample = try SampleStore()
        defer { sample.close() }
        let follower = try Follower(["events", "--json", "--follow", "--store", sample.path])
        #expect(follower.lines(1).count == 1)
        kill(follower.process.processIdentifier, number)
        #expect(follower.end() == EndStatus.store.rawValue)
    }

    @Test("A reader that leaves early is no failure")
    func head() throws {
        try withSampleStore { sample in
            try sample.start(count: 2_000)
        } _: { sample in
            let follower = try Follower(["runs", "--json", "--store", sample.path])
            #expect(follower.lines(1).count == 1)
            try follower.closeOutput()
            #expect(follower.end() == 0)
        }
    }
}
