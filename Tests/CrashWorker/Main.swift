import CFaultShim
import CrashWorkload
import Foundation
import StepEngine

// One life of a worker that others kill and whose disk others make fail. Its argument says what to do; its standard
// output tells what it sees.
let tell = MarkWriter(descriptor: STDOUT_FILENO)
guard CommandLine.arguments.count == 2,
    let orders = try? JSONDecoder().decode(WorkerOrders.self, from: Data(CommandLine.arguments[1].utf8))
else {
    tell(.unsound("usage: CrashWorker ORDERS"))
    exit(WorkerLife.End.untyped.rawValue)
}
let life = WorkerLife(orders, tell: tell)
if let limit = orders.fileSizeLimit {
    // The signal that comes with it keeps its default action, as in the programs of our users.
    var size = rlimit(rlim_cur: rlim_t(limit), rlim_max: rlim_t(limit))
    setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &size)
}
if let strikes = orders.givesUpAfter {
    var ends: [Int32] = [-1, -1]
    pipe(&ends)
    let reading = ends[0]
    fault_shim_tell(ends[1], strikes)
    EngineThread.start {
        var byte: UInt8 = 0
        if read(reading, &byte, 1) == 1 { life.giveUp() }
    }
}
let end = await life.run()
exit(end.rawValue)
