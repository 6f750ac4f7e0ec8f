import Foundation
import StepKit
import Testing

@testable import StepKitCLI

@Suite("stepkit verify")
struct VerifyCommandTests {
    @Test("A sound store")
    func sound() throws {
        try withSampleStore { sample in
            let end = try Program.run(["verify", "--store", sample.path])
            #expect(end.status == 0)
            #expect(end.complaint == "")
            let lines = end.output.split(separator: "\n")
            #expect(lines.count == 2)
            #expect(lines.first == "Sound: 70 records in 36 commits, 5 runs, up to LSN 70.")
            let json = try Program.run(["verify", "--json", "--store", sample.path])
            let keys = try Transcript.keys(of: json.output)
            #expect(keys == ["sound", "lsn", "chain", "records", "commits", "runs", "findings"])
            #expect(json.output.hasPrefix(#"{"sound":true,"lsn":70,"#))
        }
    }

    @Test("A changed byte of a record is found, and the run is named")
    func changedRecord() throws {
        try withSampleStore { sample in
            try changeFile(sample.path) { data in
                // Also in pages that are free by now.
                var found = 0
                while let text = data.range(of: Data(#""s-1""#.utf8)) {
                    data[text.lowerBound + 1] = UInt8(ascii: "t")
                    found += 1
                }
                try #require(found > 0)
            }
            let end = try Program.run(["verify", "--json", "--store", sample.path])
            #expect(end.status == 3)
            let lines = end.output.split(separator: "\n").map(String.init)
            #expect(lines.contains { $0.hasPrefix(#"{"finding":"record""#) && $0.contains(sample.id("order-1")) })
            #expect(lines.last?.hasPrefix(#"{"sound":false"#) == true)
            #expect(end.complaint.hasPrefix("stepkit: "))
            #expect(end.complaint.contains("wrong with the store"))
            let text = try Program.run(["verify", "--store", sample.path])
            #expect(text.status == 3)
            #expect(text.output.contains("record: table log, record 27"))
        }
    }

    @Test("An old database put back is found by its witness")
    func rollback() throws {
        var old = Data()
        try withSampleStore { sample in
            old = try Data(contentsOf: URL(filePath: "\(sample.path)/data.mdb"))
            _ = try sample.start("late", key: "late")
        } _: { sample in
            try changeFile(sample.path) { $0 = old }
            let end = try Program.run(["verify", "--json", "--store", sample.path])
            #expect(end.status == 3)
            #expect(end.output.contains(#""finding":"rollback""#))
        }
    }

    /// Damaged pages may lead anywhere; whatever happens, it is told in order.
    @Test("Pages of nonsense end in status 3, never in a signal", arguments: [0x00, 0xFF, 0x5A])
    func damagedPages(byte: UInt8) throws {
        try withSampleStore { sample in
            try changeFile(sample.path) { data in
                // All pages but the two that say where the others are.
                data.replaceSubrange(8_192..., with: Data(repeating: byte, count: data.count - 8_192))
            }
            for command in [["verify"], ["verify", "--json"], ["runs"], ["events", "--json"], ["stats"]] {
                let end = try Program.run(command + ["--store", sample.path])
                #expect(end.status == 3, "\(command): \(end)")
                #expect(!end.wasSignalled)
                #expect(end.complaint.contains("stepkit: "))
            }
        }
    }

    /// What the database says, a trap of ours, a signal: each is told in the same way.
    @Test("Each damaged page is a finding and status 3, or was not in use")
    func eachPage() throws {
        try withSampleStore { sample in
            let file = URL(filePath: "\(sample.path)/data.mdb")
            let whole = try Data(contentsOf: file)
            var damaged = 0
            for page in 2..<whole.count / 4_096 {
                try changeFile(sample.path) { data in
                    data = whole
                    // The field that says what kind of page it is, and the two after it.
                    data.replaceSubrange(page * 4_096 + 10..<page * 4_096 + 16, with: Data(count: 6))
                }
                let end = try Program.run(["verify", "--json", "--store", sample.path])
                #expect(!end.wasSignalled)
                #expect(end.status == 0 || end.status == 3, "page \(page): \(end)")
                guard end.status != 0 else { continue }
                damaged += 1
                #expect(end.output.contains(#"{"finding":""#), "page \(page): \(end)")
                // The database may have said something before.
                #expect(end.complaint.contains("stepkit: "), "page \(page): \(end)")
            }
            #expect(damaged >= 8)
        }
    }

    private func changeFile(_ store: String, _ change: (inout Data) throws -> Void) throws {
        let file = URL(filePath: "\(store)/data.mdb")
        var data = try Data(contentsOf: file)
        try change(&data)
        let handle = try FileHandle(forWritingTo: file)
        try handle.write(contentsOf: data)
        try handle.close()
    }
}
