/// What the log keeps of an error.
public struct Failure: Hashable, Sendable {
    /// One error of a chain of causes.
    public struct Cause: Hashable, Sendable {
        /// The name of the error's type, with its module, at most 16 KiB of it.
        public let type: String
        /// What the error said of itself, at most 16 KiB of it.
        public let message: String

        package init(type: String, message: String) {
            self.type = type.cut(toBytes: Limits.errorMessageBytes)
            self.message = message.cut(toBytes: Limits.errorMessageBytes)
        }
    }

    /// The name of the error's type, with its module, at most 16 KiB of it.
    public let type: String
    /// What the error said of itself, at most 16 KiB of it.
    public let message: String
    /// JSON of the error where it is `Encodable`, else `nil`.
    package let fields: Payload?
    /// The errors that the error named as underlying it, the nearest first.
    public let causes: [Cause]
    /// Where the step was called: `Module/File.swift:12`.
    public let site: String

    package init(type: String, message: String, fields: Payload? = nil, causes: [Cause] = [], site: String = "") {
        self.type = type.cut(toBytes: Limits.errorMessageBytes)
        self.message = message.cut(toBytes: Limits.errorMessageBytes)
        self.fields = fields
        self.causes = Array(causes.prefix(Limits.errorCauses))
        self.site = site.cut(toBytes: Limits.errorMessageBytes)
    }
}
