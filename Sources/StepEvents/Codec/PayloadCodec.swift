/// Between event bodies and the bytes after the record's header.
///
/// A step is referred to by how many sequences ago it was introduced. Where an event carries a user's payload, it
/// stands last and without a length: the record's length gives it.
package enum PayloadCodec {
    package static func append(_ body: EventBody, sequence: UInt32, to writer: inout ByteWriter) {
        func step(_ number: StepNumber) { writer.varint(sequence &- number.sequence) }
        switch body {
        case .runStarted(let event): append(event, to: &writer)
        case .runSucceeded(let event): writer.bytes += event.output.bytes
        case .runFailed(let event): append(event.failure, to: &writer)
        case .runCancelled, .runResumed: break
        case .runAttemptFailed(let event):
            writer.time(event.retryAt)
            append(event.failure, to: &writer)
        case .runCancelRequested(let event):
            writer.text(event.by)
            writer.text(event.reason)
        case .runHeld(let event): append(event.failure, to: &writer)
        case .stepStarted(let event):
            writer.varint(event.attempt)
            switch event.step {
            case .new(let key):
                writer.varint(UInt32(0))
                append(key, to: &writer)
            case .again(let number): step(number)
            }
        case .stepSucceeded(let event):
            step(event.step)
            writer.bytes += event.result.bytes
        case .stepFailed(let event):
            step(event.step)
            writer.optional(event.retryAt) { $0.time($1) }
            append(event.failure, to: &writer)
        case .stepInterrupted(let event):
            step(event.step)
            writer.byte(event.reason.rawValue)
        case .stepCancelled(let event): step(event.step)
        case .stepHeartbeat(let event):
            step(event.step)
            writer.bytes += event.details.bytes
        case .woke(let event): step(event.step)
        case .waitTimedOut(let event): step(event.step)
        case .waitCancelled(let event): step(event.step)
        case .slept(let event):
            append(event.key, to: &writer)
            writer.time(event.until)
        case .waitStarted(let event):
            append(event.key, to: &writer)
            writer.text(event.signal)
            writer.optional(event.timeoutAt) { $0.time($1) }
        case .waitResolved(let event):
            step(event.step)
            append(event.mark, to: &writer)
            writer.bytes += event.payload.bytes
        case .signalQueued(let event):
            step(event.step)
            append(event.mark, to: &writer)
            writer.bytes += event.payload.bytes
        case .signalSent(let event):
            append(event.key, to: &writer)
            writer.text(event.signal)
            writer.optional(event.keepUntil) { $0.time($1) }
            writer.bytes += event.payload.bytes
        case .signalRejected(let event):
            step(event.step)
            append(event.failure, to: &writer)
            writer.bytes += event.payload.bytes
        case .signalDelivered(let event):
            step(event.step)
            writer.varint(event.to.value)
        case .invokeStarted, .invokeFinished: appendInvoke(body, sequence: sequence, to: &writer)
        case .commitRecord, .signalKept, .signalTaken, .signalExpired: appendStoreEvent(body, to: &writer)
        }
    }

    private static func appendInvoke(_ body: EventBody, sequence: UInt32, to writer: inout ByteWriter) {
        if case .invokeStarted(let event) = body {
            append(event.key, to: &writer)
            writer.text(event.workflow)
            append(event.child, to: &writer)
            writer.varint(event.childRun.value)
            writer.optional(event.timeoutAt) { $0.time($1) }
            writer.byte(event.cancelsOnTimeout ? 1 : 0)
        } else if case .invokeFinished(let event) = body {
            writer.varint(sequence &- event.step.sequence)
            switch event.outcome {
            case .succeeded(let output):
                writer.byte(0)
                writer.bytes += output.bytes
            case .failed(let failure):
                writer.byte(1)
                append(failure, to: &writer)
            case .cancelled: writer.byte(2)
            case .timedOut: writer.byte(3)
            }
        }
    }

    private static func appendStoreEvent(_ body: EventBody, to writer: inout ByteWriter) {
        if case .commitRecord(let event) = body {
            writer.fixed(event.transaction)
            writer.fixed(event.incarnation)
            writer.fixed(event.first.value)
            writer.bytes += event.chain
        } else if case .signalKept(let event) = body {
            writer.text(event.signal)
            writer.time(event.until)
            append(event.mark, to: &writer)
            writer.bytes += event.payload.bytes
        } else if case .signalTaken(let event) = body {
            writer.text(event.signal)
            writer.time(event.keptAt)
            writer.varint(event.by.value)
        } else if case .signalExpired(let event) = body {
            writer.text(event.signal)
            writer.time(event.keptAt)
        }
    }

    private static func append(_ event: RunStarted, to writer: inout ByteWriter) {
        append(event.id, to: &writer)
        writer.text(event.workflow)
        writer.varint(event.version)
        writer.optional(event.key) { $0.text($1) }
        writer.fixed(event.seed)
        writer.optional(event.parent) { writer, parent in
            append(parent.id, to: &writer)
            writer.varint(parent.run.value)
            writer.varint(parent.step.sequence)
            writer.byte(parent.detached ? 1 : 0)
        }
        writer.bytes += event.input.bytes
    }

    package static func append(_ id: RunID, to writer: inout ByteWriter) {
        writer.fixed(id.high)
        writer.fixed(id.low)
    }

    private static func append(_ mark: SignalMark?, to writer: inout ByteWriter) {
        switch mark {
        case nil: writer.byte(0)
        case .key(let key):
            writer.byte(1)
            writer.text(key)
        case .step(let run, let step):
            writer.byte(2)
            writer.varint(run.value)
            writer.varint(step.sequence)
        }
    }

    private static func append(_ key: StepKey, to writer: inout ByteWriter) {
        writer.text(key.scope)
        writer.text(key.id)
        writer.varint(key.occurrence)
    }

    package static func append(_ failure: Failure, to writer: inout ByteWriter) {
        writer.text(failure.type)
        writer.text(failure.message)
        writer.optional(failure.fields) { $0.data($1.bytes) }
        writer.varint(UInt32(failure.causes.count))
        for cause in failure.causes {
            writer.text(cause.type)
            writer.text(cause.message)
        }
        writer.text(failure.site)
    }
}
