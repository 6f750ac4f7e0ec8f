package import StepEvents

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension Failure {
    /// What the log keeps of an error that a body or a workflow function threw.
    ///
    /// Its fields are kept where it is `Encodable`; an encoding that itself fails leaves them out, since the error
    /// must be recorded in any case.
    package init(capturing error: any Error, site: CallSite? = nil) {
        var causes: [Cause] = []
        var next = Self.underlying(error)
        while let cause = next, causes.count < Limits.errorCauses {
            causes.append(Cause(type: Self.typeName(cause), message: Self.message(of: cause)))
            next = Self.underlying(cause)
        }
        let fields = (error as? any Encodable).flatMap { try? PayloadCoder.encode($0) }
        self.init(
            type: Self.typeName(error), message: Self.message(of: error),
            fields: fields.flatMap { $0.bytes.count <= Limits.inlinePayloadBytes ? $0 : nil }, causes: causes,
            site: site?.description ?? "")
    }

    package static func typeName(_ error: any Error) -> String { String(reflecting: Swift.type(of: error)) }

    private static func message(of error: any Error) -> String {
        if let localized = error as? any LocalizedError, let text = localized.errorDescription { return text }
        return String(describing: error)
    }

    private static func underlying(_ error: any Error) -> (any Error)? {
        if let error = error as? NonRetryableError { return error.underlying }
        if let error = error as? RetryAfterError { return error.underlying }
        return nil
    }
}

/// Where user code called a step method.
package struct CallSite: Hashable, Sendable, CustomStringConvertible {
    package let fileID: StaticString
    package let line: UInt

    package init(fileID: StaticString, line: UInt) {
        self.fileID = fileID
        self.line = line
    }

    package var description: String { "\(fileID):\(line)" }

    package static func == (left: CallSite, right: CallSite) -> Bool {
        left.line == right.line && left.description == right.description
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(line) }
}
