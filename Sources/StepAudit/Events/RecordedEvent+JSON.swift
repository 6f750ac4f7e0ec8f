import StepEvents

extension RecordedEvent {
    /// One JSON object on one line, without a line's end; keys that do not apply are left out.
    ///
    /// `data` is the stored JSON as it is; bytes that are no JSON stand in base64 under `dataBase64`.
    public var json: [UInt8] {
        var line = JSONLine()
        line.member("lsn", lsn.value)
        line.optional("run", run?.description)
        line.optional("workflow", workflow)
        line.optional("key", key)
        line.optional("seq", sequence)
        line.member("time", time.description)
        line.member("kind", kind)
        if let step {
            line.member("scope", step.scope)
            line.member("step", step.id)
            line.member("occurrence", step.occurrence)
        }
        line.optional("attempt", attempt)
        line.optional("version", version)
        line.optional("parent", parent?.description)
        line.optional("signal", signal)
        line.optional("child", child?.description)
        line.optional("childWorkflow", childWorkflow)
        line.optional("to", recipient?.description)
        line.optional("until", until?.description)
        line.optional("timeoutAt", timeoutAt?.description)
        line.optional("keptAt", keptAt?.description)
        line.optional("retryAt", retryAt?.description)
        line.optional("by", by)
        line.optional("reason", reason)
        line.optional("outcome", outcome)
        line.optional("idempotencyKey", idempotencyKey)
        if let data { line.payload("data", orBase64: "dataBase64", data) }
        if let error { line.member("error", json: Self.json(error)) }
        if let commit { line.member("commit", json: Self.json(commit)) }
        return line.finish()
    }

    private static func json(_ error: Failure) -> [UInt8] {
        var object = JSONLine()
        object.member("type", error.type)
        object.member("message", error.message)
        if let fields = error.fields { object.payload("fields", orBase64: "fieldsBase64", fields.bytes) }
        if !error.causes.isEmpty {
            var causes: [UInt8] = []
            for cause in error.causes {
                var object = JSONLine()
                object.member("type", cause.type)
                object.member("message", cause.message)
                causes += causes.isEmpty ? "[".utf8 : ",".utf8
                causes += object.finish()
            }
            object.member("causes", json: causes + "]".utf8)
        }
        if !error.site.isEmpty { object.member("site", error.site) }
        return object.finish()
    }

    private static func json(_ commit: Commit) -> [UInt8] {
        var object = JSONLine()
        object.member("transaction", commit.transaction)
        // Beyond 2^53, where readers that take numbers for doubles would change it.
        object.member("incarnation", String(commit.incarnation, radix: 16))
        object.member("first", commit.first.value)
        object.member("chain", hexadecimal(commit.chain))
        return object.finish()
    }
}

extension JSONLine {
    mutating func payload(_ name: StaticString, orBase64 other: StaticString, _ bytes: [UInt8]) {
        if let json = JSONText.onOneLine(bytes) {
            member(name, json: json)
        } else {
            member(other, base64(bytes))
        }
    }
}
