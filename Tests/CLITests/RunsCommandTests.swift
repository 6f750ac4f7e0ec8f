import StepKit
import Testing

@testable import StepKitCLI

@Suite("stepkit runs")
struct RunsCommandTests {
    @Test("Each run is one object with its keys in order, the newest first")
    func json() throws {
        try withSampleStore { sample in
            let transcript = Transcript(["runs", "--json", "--store", sample.path])
            #expect(transcript.status == .ok)
            #expect(transcript.complaint == "")
            let runs = try transcript.objects()
            #expect(runs.map { $0["status"] as? String } == ["cancelled", "waiting", "waiting", "failed", "succeeded"])
            #expect(
                runs.map { $0["run"] as? String }
                    == ["cancelled", "child", "parent", "failed", "order-1"].map(sample.id))
            let lines = transcript.lines
            #expect(
                try Transcript.keys(of: lines[4])
                    == ["run", "workflow", "version", "key", "status", "started", "finished", "attempt"])
            #expect(
                try Transcript.keys(of: lines[3])
                    == ["run", "workflow", "version", "key", "status", "started", "finished", "attempt", "error"])
            #expect(
                try Transcript.keys(of: lines[1])
                    == ["run", "workflow", "version", "key", "status", "started", "attempt", "parent"])
            #expect(try Transcript.keys(of: lines[2]).contains("key") == false)
            #expect(runs[1]["parent"] as? String == sample.id("parent"))
            #expect((runs[3]["error"] as? [String: String])?["type"] == "Shop.OutOfStock")
        }
    }

    @Test("Filters leave out what does not match")
    func filters() throws {
        try withSampleStore { sample in
            let store = ["--json", "--store", sample.path]
            #expect(Transcript(["runs", "--status", "waiting"] + store).lines.count == 2)
            #expect(Transcript(["runs", "--workflow", "bill"] + store).lines.count == 1)
            #expect(Transcript(["runs", "--limit", "3"] + store).lines.count == 3)
            #expect(Transcript(["runs", "--limit", "0"] + store).lines.isEmpty)
            let all = try Transcript(["runs"] + store).objects()
            let since = try #require(all[1]["started"] as? String)
            #expect(Transcript(["runs", "--since", since] + store).lines.count == 2)
            #expect(Transcript(["runs", "--since", "2100-01-01"] + store).lines.isEmpty)
        }
    }

    @Test("For people it is a table")
    func table() throws {
        try withSampleStore { sample in
            try expectGolden("runs", Transcript(["runs", "--store", sample.path]).output)
            try expectGolden("runs-limit", Transcript(["runs", "--store", sample.path, "--limit", "2"]).output)
            try expectGolden("runs-none", Transcript(["runs", "--store", sample.path, "--status", "paused"]).output)
        }
    }

    @Test("The table shows the 50 newest, JSON shows all")
    func tableLimit() throws {
        try withSampleStore { sample in
            try sample.start(count: 1_200)
        } _: { sample in
            let table = Transcript(["runs", "--store", sample.path]).lines
            #expect(table.count == 52)
            #expect(table.last == "These are the 50 newest; --limit shows more.")
            #expect(Transcript(["runs", "--json", "--store", sample.path]).lines.count == 1_205)
            #expect(Transcript(["runs", "--json", "--limit", "1100", "--store", sample.path]).lines.count == 1_100)
        }
    }

    @Test(
        "Arguments that make no sense are one line and status 2",
        arguments: [
            (["--status", "asleep"], "there is no status asleep"),
            (["--since", "yesterday"], "yesterday is not a time"),
            (["--since", "2026-02-30"], "2026-02-30 is not a time"),
            (["--limit=-1"], "--limit can't be negative"),
            (["--limit", "many"], "many"),
            (["--colour"], "--colour"),
            (["--store", ""], "the path of the store is empty"),
        ])
    func usage(arguments: [String], message: String) throws {
        let transcript = Transcript(["runs"] + arguments)
        #expect(transcript.status == .usage)
        #expect(transcript.output == "")
        #expect(transcript.complaint.contains(message))
        #expect(transcript.complaint.hasPrefix("stepkit: "))
        #expect(transcript.complaint.split(separator: "\n").count == 1)
    }
}
