import TestSupport
import Testing

@testable import StepEvents

/// What is written must be read back, however long the texts are that an error or an operator brings.
@Suite struct LongTextTests {
    private static let scalars: [Unicode.Scalar] = ["a", "\u{E9}", "\u{20AC}", "\u{1F600}", "\u{301}", "\u{200D}"]

    /// Text of about `bytes` bytes, its characters of one to four bytes, some of them joined to very long ones.
    private func text(_ bytes: Int, _ generator: inout SeededGenerator) -> String {
        var text = String.UnicodeScalarView()
        var count = 0
        while count < bytes {
            let scalar = Self.scalars[generator.below(Self.scalars.count)]
            text.append(scalar)
            count += Unicode.UTF8.width(scalar)
        }
        return String(text)
    }

    @Test func textIsCutBetweenScalarsAndAsLateAsCanBe() {
        var generator = SeededGenerator(seed: 11)
        for _ in 0..<500 {
            let text = text(generator.below(200), &generator)
            let limit = generator.below(160)
            let cut = text.cut(toBytes: limit)
            #expect(cut.utf8.count <= limit || text.utf8.count <= limit)
            #expect(Array(text.unicodeScalars).starts(with: Array(cut.unicodeScalars)))
            #expect(cut.utf8.count == text.utf8.count || cut.utf8.count > limit - 4)
            #expect(cut.cut(toBytes: limit) == cut)
        }
        #expect("a\u{1F600}".cut(toBytes: 4) == "a")
        #expect("\u{1F600}".cut(toBytes: 0).isEmpty)
    }

    private func failure(_ generator: inout SeededGenerator) -> Failure {
        let limit = Limits.errorMessageBytes
        func length() -> Int {
            [0, 10, limit - 2, limit - 1, limit, limit + 1, 3 * limit][generator.below(7)]
        }
        let causes = (0..<generator.below(Limits.errorCauses * 2)).map { _ in
            Failure.Cause(type: text(length(), &generator), message: text(length(), &generator))
        }
        return Failure(
            type: text(length(), &generator), message: text(length(), &generator),
            fields: generator.once(in: 2) ? Payload(generator.bytes(100)) : nil, causes: causes,
            site: text(length(), &generator))
    }

    @Test func everyEventWithAnErrorOrACancellationIsReadBack() throws {
        var generator = SeededGenerator(seed: 12)
        let step = StepNumber(4)
        for _ in 0..<30 {
            let failure = failure(&generator)
            let time = Timestamp(nanoseconds: 1)
            let (by, reason) = (text(40_000, &generator), text(40_000, &generator))
            let bodies: [EventBody] = [
                .runFailed(RunFailed(failure: failure)),
                .runAttemptFailed(RunAttemptFailed(failure: failure, retryAt: time)),
                .runHeld(RunHeld(failure: failure)),
                .runCancelRequested(RunCancelRequested(by: by, reason: reason)),
                .stepFailed(StepFailed(step: step, failure: failure, retryAt: nil)),
                .signalRejected(SignalRejected(step: step, payload: Payload(json: "1"), failure: failure)),
                .invokeFinished(InvokeFinished(step: step, outcome: .failed(failure))),
            ]
            for body in bodies {
                let event = Event(run: RunNumber(7), sequence: 9, time: time, body: body)
                #expect(try RecordCodec.decode(stampedRecord(event)[...], lsn: LSN(100)).event == event)
            }
        }
    }

    @Test func namesAtTheirBoundsAreReadBack() throws {
        let id = String(repeating: "\u{1F600}", count: Limits.idBytes / 4)
        let signal = String(repeating: "\u{1F600}", count: Limits.signalNameBytes / 4)
        let key = StepKey(scope: String(repeating: "%", count: Limits.scopeBytes), id: id, occurrence: .max)
        let (run, time, null) = (RunID(high: .max, low: .max), Timestamp(nanoseconds: .max), Payload.null)
        let start = RunStarted(id: run, workflow: id, version: .max, key: id, input: null, seed: .max)
        let invoke = InvokeStarted(
            key: key, workflow: id, child: run, childRun: RunNumber(.max), timeoutAt: time, cancelsOnTimeout: true)
        let bodies: [EventBody] = [
            .runStarted(start), .stepStarted(StepStarted(step: .new(key), attempt: 1)),
            .slept(Slept(key: key, until: time)), .waitStarted(WaitStarted(key: key, signal: signal, timeoutAt: time)),
            .waitResolved(WaitResolved(step: StepNumber(4), payload: null, mark: .key(id))),
            .signalSent(SignalSent(key: key, signal: signal, payload: null, keepUntil: time)), .invokeStarted(invoke),
            .signalKept(SignalKept(signal: signal, payload: null, until: time, mark: .key(id))),
            .signalTaken(SignalTaken(signal: signal, keptAt: time, by: RunNumber(.max))),
            .signalExpired(SignalExpired(signal: signal, keptAt: time)),
        ]
        for body in bodies {
            let event = Event(run: RunNumber(7), sequence: 9, time: time, body: body)
            #expect(try RecordCodec.decode(stampedRecord(event)[...], lsn: LSN(100)).event == event)
        }
    }
}
