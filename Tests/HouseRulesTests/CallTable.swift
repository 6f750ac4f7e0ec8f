extension CallRule {
    /// What counts as such a call. Each is looked for in code alone, as words of its own.
    static let calls: [Call] = [
        Call(text: "Date()", kind: .clock),
        Call(text: "Date.now", kind: .clock),
        Call(text: "Date(timeIntervalSinceNow", kind: .clock),
        Call(text: "timeIntervalSinceNow", kind: .clock),
        Call(text: "CFAbsoluteTimeGetCurrent", kind: .clock),
        Call(text: "ContinuousClock()", kind: .clock),
        Call(text: "ContinuousClock.now", kind: .clock),
        Call(text: "ContinuousClock.continuous", kind: .clock),
        Call(text: "SuspendingClock()", kind: .clock),
        Call(text: "SuspendingClock.now", kind: .clock),
        Call(text: "DispatchTime.now", kind: .clock),
        Call(text: "DispatchWallTime.now", kind: .clock),
        Call(text: "systemUptime", kind: .clock),
        Call(text: "clock_gettime", kind: .clock),
        Call(text: "gettimeofday", kind: .clock),
        Call(text: "time(nil)", kind: .clock),

        Call(text: "SystemRandomNumberGenerator", kind: .randomness),
        Call(text: ".random(", kind: .randomness, fineWithGenerator: true),
        Call(text: ".randomElement(", kind: .randomness, fineWithGenerator: true),
        Call(text: ".shuffled(", kind: .randomness, fineWithGenerator: true),
        Call(text: ".shuffle(", kind: .randomness, fineWithGenerator: true),
        Call(text: "UUID()", kind: .randomness),
        Call(text: "arc4random", kind: .randomness),
        Call(text: "getrandom", kind: .randomness),
        Call(text: "getentropy", kind: .randomness),

        Call(text: "Task.sleep", kind: .sleep),
        Call(text: "Never>.sleep", kind: .sleep),
        Call(text: "Thread.sleep", kind: .sleep),
        Call(text: "usleep", kind: .sleep),
        Call(text: "nanosleep", kind: .sleep),
        Call(text: "clock_nanosleep", kind: .sleep),
        Call(text: "asyncAfter", kind: .sleep),
        Call(text: "Timer.scheduledTimer", kind: .sleep),

        Call(text: "fatalError(", kind: .trap),
        Call(text: "preconditionFailure(", kind: .trap),
        Call(text: "try!", kind: .trap),
        Call(text: "as!", kind: .trap),

        Call(text: "exit(", kind: .exit),
        Call(text: "_exit(", kind: .exit),
        Call(text: "abort()", kind: .exit),
    ]
}
