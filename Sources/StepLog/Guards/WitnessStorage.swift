/// Where the witness is kept: outside the database, so that it can tell when the database went back in time.
package protocol WitnessStorage: Sendable {
    func read() throws(StoreError) -> [UInt8]
    /// Durable when it returns.
    func write(_ bytes: [UInt8], at offset: Int) throws(StoreError)
}
