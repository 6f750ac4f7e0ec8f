package import StepEvents

/// A registered workflow, its types erased: what an engine needs in order to execute its runs.
public struct WorkflowDefinition: Sendable {
    /// The workflow's id.
    public let id: String
    /// The version of the code that is registered.
    public let version: Int
    package let accepts: ClosedRange<UInt32>
    package let options: WorkflowOptions
    /// Where it was registered.
    package let site: CallSite?
    /// Throws where an input is not what the function takes.
    package let checkInput: @Sendable (Payload) throws -> Void
    /// Whether inputs of different bytes are equal all the same: the order of a set's elements, for instance, is another
    /// in each process.
    package let isSameInput: @Sendable (Payload, Payload) -> Bool
    /// Decodes the input, calls the user's function, encodes its output.
    package let body: @Sendable (any StepRuntime, Payload) async throws -> Payload

    package init(
        id: String, version: Int, accepts: ClosedRange<UInt32>, options: WorkflowOptions, site: CallSite? = nil,
        checkInput: @escaping @Sendable (Payload) throws -> Void,
        isSameInput: @escaping @Sendable (Payload, Payload) -> Bool,
        body: @escaping @Sendable (any StepRuntime, Payload) async throws -> Payload
    ) {
        self.id = id
        self.version = version
        self.accepts = accepts
        self.options = options
        self.site = site
        self.checkInput = checkInput
        self.isSameInput = isSameInput
        self.body = body
    }
}

/// What can be set for a workflow.
public struct WorkflowOptions: Sendable {
    /// When the function is called again after it threw an error that is not a step's. Finished steps stay finished.
    public var retry: RetryPolicy
    /// What happens when an id is asked for again while the earlier step of that id is pending in the same scope.
    public var duplicates: DuplicateSteps
    /// Whether runs may leave memory while they wait.
    public var parking: Parking
    /// Whether a step that was asked for after another item than in the recorded history holds the run.
    public var ordering: OrderChecking

    /// How ids that are asked for twice at the same time are treated.
    public enum DuplicateSteps: Sendable, Hashable {
        /// ``AmbiguousStepError``.
        case refuse
        /// They are counted in the order in which they arrive.
        case byOrder
    }

    /// When runs leave memory.
    public enum Parking: Sendable, Hashable {
        /// When there are more of them than may be resident.
        case whenNeeded
        /// Never.
        case never
    }

    /// How strictly a replay is compared with its history.
    public enum OrderChecking: Sendable, Hashable {
        /// A different order is logged.
        case report
        /// A different order holds the run.
        case strict
    }

    /// Makes options.
    ///
    /// - Parameters:
    ///   - retry: when the function is called again after it threw.
    ///   - duplicates: how ids that are asked for twice at the same time are treated.
    ///   - parking: when runs leave memory.
    ///   - ordering: how strictly a replay is compared with its history.
    public init(
        retry: RetryPolicy = .default, duplicates: DuplicateSteps = .refuse, parking: Parking = .whenNeeded,
        ordering: OrderChecking = .report
    ) {
        self.retry = retry
        self.duplicates = duplicates
        self.parking = parking
        self.ordering = ordering
    }
}
