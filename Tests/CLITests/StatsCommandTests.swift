import Testing

@testable import StepKitCLI

@Suite("stepkit stats")
struct StatsCommandTests {
    @Test("Counts as one object")
    func json() throws {
        try withSampleStore { sample in
            let transcript = Transcript(["stats", "--json", "--store", sample.path])
            #expect(transcript.status == .ok)
            let line = try #require(transcript.lines.first)
            #expect(transcript.lines.count == 1)
            let keys = try Transcript.keys(of: line)
            #expect(
                keys == [
                    "lsn", "lastCommit", "records", "runs", "open", "statuses", "workflows", "timers", "signals",
                    "chunks", "usedBytes", "fileBytes",
                ])
            let counts = try #require(try transcript.objects().first)
            #expect(counts["runs"] as? Int == 5)
            #expect(counts["open"] as? Int == 2)
            #expect(counts["lsn"] as? Int == counts["records"] as? Int)
            // The child's time limit; the child, and the receipt of the signal that had a key.
            #expect(counts["timers"] as? Int == 1)
            #expect(counts["signals"] as? Int == 2)
            let statuses = try #require(counts["statuses"] as? [String: Int])
            #expect(statuses.count == 8)
            #expect(statuses.values.reduce(0, +) == 5)
            #expect(statuses["waiting"] == 2)
            let workflows = try #require(counts["workflows"] as? [[String: Any]])
            #expect(workflows.map { $0["workflow"] as? String } == ["bill", "process-order"])
            #expect(workflows.map { $0["runs"] as? Int } == [1, 4])
        }
    }

    @Test("For people")
    func text() throws {
        try withSampleStore { sample in
            let lines = Transcript(["stats", "--store", sample.path]).lines
            // How many bytes depends on the version of the database.
            let text = lines.filter { !$0.hasPrefix("bytes") }.joined(separator: "\n") + "\n"
            try expectGolden("stats", text)
            #expect(lines.count { $0.hasPrefix("bytes") } == 2)
        }
    }
}
