public import StepEvents

#if canImport(FoundationEssentials)
    public import FoundationEssentials
#else
    public import Foundation
#endif

extension Step {
    /// Sleeps for a while, also over restarts of the process.
    ///
    /// The time to wake is fixed and recorded when the sleep is first asked for. While the process lives, the
    /// duration counts on a clock that no one can set; after a restart the recorded time decides.
    ///
    /// - Parameters:
    ///   - id: names the step in its scope.
    ///   - duration: how long, at most ten years. Zero or less resumes at once.
    ///   - fileID: where the call stands.
    ///   - line: where the call stands.
    /// - Throws: `CancellationError` when the step was cancelled; ``InvalidStepID`` for an unusable id or a sleep that
    ///   is too long.
    public func sleep(
        _ id: String, for duration: Duration, fileID: StaticString = #fileID, line: UInt = #line
    ) async throws {
        guard duration <= Limits.longestSleep else {
            throw InvalidStepID(id: id, reason: "it would sleep for \(duration), more than the ten years allowed")
        }
        try await sleep(id, .duration(duration), CallSite(fileID: fileID, line: line))
    }

    /// Sleeps until a time of the wall clock, also over restarts of the process.
    ///
    /// - Parameters:
    ///   - id: names the step in its scope.
    ///   - time: when to wake, at most ten years from now. A time that has passed resumes at once.
    ///   - fileID: where the call stands.
    ///   - line: where the call stands.
    /// - Throws: as ``sleep(_:for:fileID:line:)``.
    public func sleep(
        _ id: String, until time: Timestamp, fileID: StaticString = #fileID, line: UInt = #line
    ) async throws {
        guard time <= runtime.now.advanced(by: Limits.longestSleep) else {
            throw InvalidStepID(id: id, reason: "it would sleep until \(time), more than the ten years allowed")
        }
        try await sleep(id, .until(time), CallSite(fileID: fileID, line: line))
    }

    /// Sleeps until a date of the wall clock, also over restarts of the process.
    ///
    /// - Parameters:
    ///   - id: names the step in its scope.
    ///   - date: when to wake, at most ten years from now. A date that has passed resumes at once.
    ///   - fileID: where the call stands.
    ///   - line: where the call stands.
    /// - Throws: as ``sleep(_:for:fileID:line:)``.
    public func sleep(
        _ id: String, until date: Date, fileID: StaticString = #fileID, line: UInt = #line
    ) async throws {
        let nanoseconds = (date.timeIntervalSince1970 * 1e9).rounded()
        try await sleep(
            id, until: Timestamp(nanoseconds: Int64(exactly: nanoseconds) ?? (nanoseconds < 0 ? .min : .max)),
            fileID: fileID, line: line)
    }

    private func sleep(_ id: String, _ sleep: SleepStep, _ site: CallSite) async throws {
        _ = try await perform(StepCall(scope: scope, id: id, operation: .sleep(sleep), site: site))
    }
}
