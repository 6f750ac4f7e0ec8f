import StepEvents
import StepKit
import StepLog
import TestSupport
import Testing

@testable import StepKitCLI

@Suite("stepkit events")
struct EventsCommandTests {
    @Test("Every event of a step names the step and its attempt")
    func steps() throws {
        try withSampleStore { sample in
            let transcript = Transcript(["events", "--json", "--store", sample.path])
            #expect(transcript.status == .ok)
            let events = try transcript.objects()
            let order = events.filter { $0["run"] as? String == sample.id("order-1") }
            #expect(order.map { $0["seq"] as? Int } == Array(0...17))
            let steps = order.map { event -> String in
                guard let step = event["step"] as? String, let scope = event["scope"] as? String,
                    let occurrence = event["occurrence"] as? Int
                else { return event["kind"] as? String ?? "" }
                return "\(event["kind"] ?? "") \(scope)/\(step):\(occurrence) \(event["attempt"] ?? "-")"
            }
            #expect(
                steps == [
                    "runStarted", "stepStarted /validate-payment:0 1", "stepFailed /validate-payment:0 1",
                    "stepStarted /validate-payment:0 2", "stepSucceeded /validate-payment:0 2",
                    "stepStarted items/0/reserve:0 1", "stepStarted items/1/reserve:0 1",
                    "stepSucceeded items/1/reserve:0 1", "stepInterrupted items/0/reserve:0 1",
                    "stepStarted items/0/reserve:0 2", "stepSucceeded items/0/reserve:0 2",
                    "stepStarted /create-shipment:0 1", "stepSucceeded /create-shipment:0 1",
                    "slept /cooling-off:0 -", "woke /cooling-off:0 -", "stepStarted /send-confirmation:0 1",
                    "stepSucceeded /send-confirmation:0 1", "runSucceeded",
                ])
        }
    }

    @Test("The keys stand in order, and payloads are embedded as they are")
    func keys() throws {
        try withSampleStore { sample in
            let lines = Transcript(["events", "--json", "--run", sample.id("order-1"), "--store", sample.path]).lines
            let keys = try Transcript.keys(of: lines[4])
            #expect(
                keys == [
                    "lsn", "run", "workflow", "key", "seq", "time", "kind", "scope", "step", "occurrence", "attempt",
                    "data",
                ])
            #expect(lines[4].hasSuffix(#""data":{"id": "p-1"}}"#))
            #expect(
                lines[2].hasSuffix(
                    #""retryAt":"2026-02-25T06:13:21.001Z","error":{"type":"Shop.Declined","message":"card refused","#
                        + #""fields":{"code":51},"causes":[{"type":"Shop.Timeout","message":"after 3 s"}],"#
                        + #""site":"Shop/Order.swift:12"}}"#))
            // An encoder that prints prettily must not break the line.
            #expect(lines[17].hasSuffix(#""data":{   "sent": true }}"#))
            let child = Transcript(["events", "--json", "--run", sample.id("child"), "--store", sample.path]).lines
            #expect(child[2].contains(#""dataBase64":"/wA=""#))
            #expect(child[0].contains(#""parent":"\#(sample.id("parent"))""#))
        }
    }

    @Test("A heartbeat names its step and attempt, and what it said is its data")
    func heartbeat() throws {
        try withSampleStore { sample in
            let run = try sample.start("import", key: "import")
            let step = StepNumber(1)
            try sample.record(
                run,
                [
                    (.milliseconds(1), sample.started("rows")),
                    (
                        .milliseconds(1),
                        .stepHeartbeat(StepHeartbeat(step: step, details: Payload(json: #"{"row": 7}"#)))
                    ),
                    (.milliseconds(1), .stepInterrupted(StepInterrupted(step: step, reason: .crash))),
                    (.milliseconds(1), .stepStarted(StepStarted(step: .again(step), attempt: 2))),
                    (.milliseconds(1), .stepHeartbeat(StepHeartbeat(step: step, details: Payload([0xFF])))),
                ])
        } _: { sample in
            let lines = Transcript(["events", "--json", "--run", "import", "--store", sample.path]).lines
            #expect(
                lines[2].hasSuffix(
                    #""kind":"stepHeartbeat","scope":"","step":"rows","occurrence":0,"attempt":1,"data":{"row": 7}}"#))
            #expect(lines[5].hasSuffix(#""step":"rows","occurrence":0,"attempt":2,"dataBase64":"/w=="}"#))
        }
    }

    @Test("Starting in the middle gives the same lines", arguments: [1, 4, 9, 17, 23, 29, 35, 44, 60])
    func after(lsn: Int) throws {
        try withSampleStore { sample in
            let all = Transcript(["events", "--json", "--commits", "--store", sample.path]).lines
            let late = Transcript(["events", "--json", "--commits", "--after", "\(lsn)", "--store", sample.path])
            #expect(late.lines == Array(all.dropFirst(lsn)))
        }
    }

    @Test("After any place beyond the end there is nothing", arguments: ["70", "71", "18446744073709551615"])
    func afterTheEnd(lsn: String) throws {
        try withSampleStore { sample in
            for run in [[], ["--run", "order-2"]] {
                let end = try Program.run(["events", "--json", "--after", lsn, "--store", sample.path] + run)
                #expect(end == Program.End(status: 0, output: "", complaint: ""))
            }
        }
    }

    @Test("Commit records are there when asked for")
    func commits() throws {
        try withSampleStore { sample in
            let lines = Transcript(["events", "--json", "--commits", "--store", sample.path]).lines
            #expect(try Transcript.keys(of: lines[0]) == ["lsn", "time", "kind", "commit"])
            let lsns = try Transcript(["events", "--json", "--commits", "--store", sample.path]).objects()
                .compactMap { $0["lsn"] as? Int }
            #expect(lsns == Array(1...lsns.count))
            #expect(!Transcript(["events", "--json", "--store", sample.path]).output.contains("commitRecord"))
        }
    }

    @Test("One run by its id, or by a key that one workflow has")
    func run() throws {
        try withSampleStore { sample in
            let store = ["--json", "--store", sample.path]
            #expect(Transcript(["events", "--run", "order-2"] + store).lines.count == 4)
            #expect(Transcript(["events", "--run", sample.id("failed")] + store).lines.count == 4)
            let some = Transcript(["events", "--run", "order-2", "--after", "40"] + store)
            let places = try some.objects().compactMap { $0["lsn"] as? Int }
            #expect(!places.isEmpty && places.allSatisfy { $0 > 40 })
            let several = Transcript(["events", "--run", "order-1"] + store)
            #expect(several.status == .usage)
            #expect(several.complaint.contains(sample.id("order-1")))
            #expect(several.complaint.contains(sample.id("child")))
            let none = Transcript(["events", "--run", "order-77"] + store)
            #expect(none.status == .failed)
            #expect(none.complaint == "stepkit: no run has the id or key order-77\n")
        }
    }

    @Test("For people it is a table")
    func table() throws {
        try withSampleStore { sample in
            try expectGolden("events", Transcript(["events", "--store", sample.path]).output)
            try expectGolden(
                "events-commits", Transcript(["events", "--commits", "--after", "58", "--store", sample.path]).output)
        }
    }
}
