import StepEvents

@testable import StepCore

/// Makes definitions of workflow functions, as a client does.
func flow<Output: Codable & Sendable>(
    options: WorkflowOptions = WorkflowOptions(),
    _ body: @escaping @Sendable (WorkflowContext<Int>, Step) async throws -> Output
) -> WorkflowDefinition {
    WorkflowDefinition(
        id: "flow", version: 1, accepts: 1...1, options: options,
        checkInput: { _ = try PayloadCoder.decode(Int.self, from: $0) }, isSameInput: { $0 == $1 },
        body: { runtime, payload in
            let input = try PayloadCoder.decode(Int.self, from: payload)
            let context = WorkflowContext(input: input, runtime: runtime)
            return try PayloadCoder.encode(try await body(context, Step(runtime: runtime, scope: "")))
        })
}
