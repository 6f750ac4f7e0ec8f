import Testing

/// Processes that die, disks that fail. One after the other: each uses the whole machine.
@Suite(.serialized) struct CrashTests {}
