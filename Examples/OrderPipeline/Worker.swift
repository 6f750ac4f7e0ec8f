import Foundation
import Logging
import ServiceLifecycle
import StepKit
import UnixSignals

/// Processes all orders of a file. Nothing here deals with crashes. SIGTERM and SIGINT end it in order: no new step
/// starts, those that run may end, and the next worker goes on from there, as it does after a crash.
struct Worker {
    var options: Command.WorkerOptions

    /// How the worker ended, as its exit status.
    enum Ending: Int32 {
        case allSucceeded = 0
        /// Through, but some order failed for good.
        case someFailed = 3
        /// Asked to stop before it was through; `EX_TEMPFAIL`, which invites to try again.
        case stoppedEarly = 75
    }

    func run() async throws -> Ending {
        let file = OrderFile(parsing: try OrderFile.bytes(at: options.orders))
        if !options.marks { file.problems.forEach { complain("\(options.orders) \($0)") } }
        guard !file.orders.isEmpty else { throw PipelineError.noOrders(path: options.orders) }

        let files = DemoFiles(directory: options.directory)
        try files.makeDirectory()
        let marks = MarkWriter(isOn: options.marks)
        let shop = Shop(
            faults: FaultModel(seed: options.seed), effects: try EffectLog(path: files.effects), marks: marks)

        let client = try await Client(id: "shop", driver: .lmdb(path: files.store))
        let desk = OrderDesk(
            orders: file.orders, workflow: defineProcessOrder(on: client, at: shop), inFlight: options.inFlight,
            marks: marks)
        // The desk is shut down first, then the client: services end in the opposite of this order.
        let services = ServiceGroup(
            configuration: .init(
                services: [
                    .init(service: client),
                    .init(service: desk, successTerminationBehavior: .gracefullyShutdownGroup),
                ],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: Logger(label: "worker")))
        do {
            try await services.run()
        } catch {
            await client.close()
            throw error
        }
        await client.close()
        return await report(desk, of: file.orders.count)
    }

    private func report(_ desk: OrderDesk, of orders: Int) async -> Ending {
        let (receipts, failed) = (await desk.receipts, await desk.failed)
        let isThrough = receipts.count + failed == orders
        if !options.marks {
            let cents = total(receipts.map(\.totalCents))
            say("\(receipts.count) of \(orders) orders succeeded, \(money(cents))\n")
            if !isThrough { say("Stopped. Start the worker again, and it goes on from here.\n") }
        }
        guard isThrough else { return .stoppedEarly }
        return failed == 0 ? .allSucceeded : .someFailed
    }
}
