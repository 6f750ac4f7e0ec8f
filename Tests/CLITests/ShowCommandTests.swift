import StepEvents
import TestSupport
import Testing

@testable import StepKitCLI

@Suite("stepkit show")
struct ShowCommandTests {
    @Test("A timeline for people", arguments: ["order-1", "failed", "parent", "child", "cancelled"])
    func timeline(name: String) throws {
        try withSampleStore { sample in
            let transcript = Transcript(["show", sample.id(name), "--store", sample.path])
            #expect(transcript.status == .ok)
            try expectGolden("show-\(name)", transcript.output)
        }
    }

    @Test("Held, retried, cut off: what a run can go through besides")
    func rarities() throws {
        try withSampleStore { sample in
            let run = try sample.start("rare", key: "rare")
            let failure = Failure(type: "Shop.Bug", message: "nil found")
            let later = sample.script.time.advanced(by: .seconds(90))
            try sample.record(
                run,
                [
                    (
                        .milliseconds(1),
                        .runAttemptFailed(RunAttemptFailed(failure: failure, retryAt: later))
                    ),
                    (.seconds(90), sample.started("first")),
                    (.seconds(1), beat(2, "10")),
                    (.milliseconds(1), .stepInterrupted(StepInterrupted(step: StepNumber(2), reason: .shutdown))),
                    (.milliseconds(1), .stepFailed(StepFailed(step: StepNumber(2), failure: failure, retryAt: nil))),
                    (.milliseconds(1), .slept(Slept(key: sample.stepKey("nap"), until: later))),
                    (.milliseconds(1), .waitCancelled(WaitCancelled(step: StepNumber(6)))),
                    (
                        .milliseconds(1),
                        .waitStarted(WaitStarted(key: sample.stepKey("go"), signal: "go", timeoutAt: later))
                    ),
                    (.milliseconds(1), .waitTimedOut(WaitTimedOut(step: StepNumber(8)))),
                    (.milliseconds(1), sample.started("second")),
                    (.milliseconds(2), beat(10, #"{"row":1000}"#)),
                    (.milliseconds(2), beat(10, #"{"row":2000}"#)),
                    (.milliseconds(1), .runHeld(RunHeld(failure: failure))),
                    (.seconds(200_000), .runResumed(RunResumed())),
                    (.milliseconds(1), .runSucceeded(RunSucceeded(output: Payload(json: "1")))),
                ])
        } _: { sample in
            try expectGolden("show-rare", Transcript(["show", "rare", "--store", sample.path]).output)
        }
    }

    private func beat(_ step: UInt32, _ json: String) -> EventBody {
        .stepHeartbeat(StepHeartbeat(step: StepNumber(step), details: Payload(json: json)))
    }

    @Test("With --json the run's object, then its events")
    func json() throws {
        try withSampleStore { sample in
            let lines = Transcript(["show", "order-2", "--json", "--store", sample.path]).lines
            let runs = Transcript(["runs", "--status", "failed", "--json", "--store", sample.path]).lines
            let events = Transcript(["events", "--run", "order-2", "--json", "--store", sample.path]).lines
            #expect(lines == runs + events)
            #expect(events.count == 4)
        }
    }

    @Test("No run, or more than one")
    func lookup() throws {
        try withSampleStore { sample in
            #expect(Transcript(["show", "nobody", "--store", sample.path]).status == .failed)
            let several = Transcript(["show", "order-1", "--store", sample.path])
            #expect(several.status == .usage)
            #expect(several.complaint.contains("several runs have the key order-1"))
            #expect(Transcript(["show", "--store", sample.path]).status == .usage)
            for arguments in [["show", ""], ["events", "--run", ""]] {
                let empty = Transcript(arguments + ["--store", sample.path])
                #expect(empty.status == .usage)
                #expect(empty.complaint.contains("the run's id or key is empty"))
            }
        }
    }
}
