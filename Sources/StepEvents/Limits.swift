/// Every bound of the engine and its log, with the relations between them. The same checks run before encoding and
/// after decoding, so that nothing is written which could not be read.
package enum Limits {
    /// The largest payload (input, result, output, signal) in bytes, unless configured otherwise.
    package static let defaultPayloadBytes = 4 << 20
    /// The largest payload that may be configured.
    package static let maximumPayloadBytes = 64 << 20
    /// Payloads over this many bytes are kept in chunks outside the record.
    package static let inlinePayloadBytes = 64 << 10
    /// The size of such a chunk.
    package static let chunkBytes = 64 << 10
    /// Step ids, run keys, workflow ids and group names, in bytes of UTF-8.
    package static let idBytes = 512
    /// Signal names, in bytes of UTF-8.
    package static let signalNameBytes = 1 << 10
    /// A signal's name and an idempotency key, as they stand in a receipt.
    package static let receiptTextBytes = signalNameBytes + idBytes + 8
    /// How long an idempotency key of a signal is remembered.
    package static let receiptLifetime = Duration.seconds(24 * 3_600)
    /// Groups inside groups.
    package static let groupDepth = 64
    /// A scope: `groupDepth` components of an id, each byte of which may take three when escaped.
    package static let scopeBytes = groupDepth * (idBytes * 3 + 16)
    /// The message of an error, in bytes of UTF-8; longer ones are cut.
    package static let errorMessageBytes = 16 << 10
    /// Who cancels a run, and why, in bytes of UTF-8; longer ones are cut.
    package static let cancellationTextBytes = 2 << 10
    /// Errors in a chain of causes.
    package static let errorCauses = 16
    /// The longest sleep.
    package static let longestSleep = Duration.seconds(10 * 366 * 86_400)
    /// The longest key of the store (liblmdb 0.9: 511 bytes).
    package static let keyBytes = 511
    /// User text in a key of the store: longer text is 223 bytes and a SHA-256 of the whole.
    package static let keyTextBytes = 255
    package static let keyTextPrefixBytes = 223
    /// One transaction of the log writer takes at most this many events …
    package static let batchEvents = 4_096
    /// … or this many bytes, but always at least one command.
    package static let batchBytes = 8 << 20
    /// At most this many commands wait for the log writer …
    package static let queuedCommands = 100_000
    /// … or this many bytes; beyond it `EngineBusy`.
    package static let queuedBytes = 64 << 20
    /// A checkpoint is written every so many events …
    package static let checkpointEvents: UInt64 = 262_144
    /// … or after this time, whichever comes first.
    package static let checkpointInterval = Duration.seconds(10)
    /// The widest a record may be: its header at its widest and every field at its bound.
    package static let recordBytes = maximumPayloadBytes + scopeBytes + (1 << 20)

    /// Whether the relations that other code relies on hold; a test asserts it.
    package static var areConsistent: Bool {
        keyTextPrefixBytes + 32 == keyTextBytes && keyTextBytes < keyBytes
            && defaultPayloadBytes <= maximumPayloadBytes && maximumPayloadBytes <= queuedBytes
            && inlinePayloadBytes >= chunkBytes && batchBytes <= queuedBytes && batchEvents <= queuedCommands
    }
}
