package import StepCore
package import StepEvents

/// What carries out an instance's decisions: an engine over a store, or a host that answers one request.
package protocol InstanceHost: AnyObject, Sendable {
    /// Have ``WorkflowInstance/drain()`` called soon, on a thread that may run user code, by one thread at a time.
    func schedule(_ instance: WorkflowInstance)
    /// Carry out what the machine decided, in order. Called while the instance drains.
    func perform(_ actions: [MachineAction], of instance: WorkflowInstance)
    /// The time, for what is accepted now.
    var now: Timestamp { get }
    var bodyExecutor: any TaskExecutor { get }
}

/// What happens to an instance from outside; taken up in order, on its own thread. What is rare is indirect, so that the
/// rest stays small.
package enum InstanceInput: Sendable {
    /// Begin the workflow function.
    case begin
    case ask(StepCall, isCancelled: Bool)
    case attemptEnded(StepCall, attempt: UInt32, AttemptOutcome)
    indirect case heartbeat(Heartbeat)
    case cancelCall(StepCall)
    /// The call throws `RunUnwinding` in the task.
    case unwound(StepCall, TaskIdentity)
    case awaitDurable(UnsafeContinuation<Bool, Never>)
    case functionEnded(FunctionOutcome)
    case committed(through: UInt32)
    indirect case timerFired(MachineTimer)
    indirect case offer(SignalOffer)
    case signalDelivered(StepNumber, to: RunNumber)
    indirect case childEnded(StepNumber, InvokeFinished.Outcome)
    case turnGranted(StepNumber)
    indirect case cancelRun(by: String, reason: String, token: UInt64)
    indirect case hold(Failure)
    case unwind(interrupting: Bool)
    /// Start nothing more: the engine shuts down.
    case quiesce
    /// Leave memory, if nothing but waits is going on.
    case park
}
