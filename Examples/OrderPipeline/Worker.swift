import Foundation
import StepKit

/// Processes all orders of a file. Nothing here deals with crashes: a worker started again starts all orders again,
/// and an order that has a run already simply gets that run.
struct Worker {
    var options: Command.WorkerOptions

    /// What the process exits with when it is through but some order failed for good.
    static let someOrdersFailed: Int32 = 3

    /// - Returns: whether every order succeeded.
    func run() async throws -> Bool {
        let file = OrderFile(parsing: try OrderFile.bytes(at: options.orders))
        if !options.marks { file.problems.forEach { complain("\(options.orders) \($0)") } }
        guard !file.orders.isEmpty else { throw PipelineError.noOrders(path: options.orders) }

        let files = DemoFiles(directory: options.directory)
        try files.makeDirectory()
        let marks = MarkWriter(isOn: options.marks)
        let shop = Shop(
            faults: FaultModel(seed: options.seed), effects: try EffectLog(path: files.effects), marks: marks)

        let receipts = try await Client.withClient(id: "shop", driver: .lmdb(path: files.store)) { client in
            let processOrder = defineProcessOrder(on: client, at: shop)
            return await process(file.orders, with: processOrder, marks: marks)
        }
        if !options.marks {
            let total = receipts.reduce(0) { $0 + $1.totalCents }
            say("\(receipts.count) of \(file.orders.count) orders succeeded, \(money(total))\n")
        }
        return receipts.count == file.orders.count
    }

    /// Works on so many orders at a time, as a server would be asked to.
    private func process(
        _ orders: [Order], with workflow: Workflow<Order, Receipt>, marks: MarkWriter
    ) async -> [Receipt] {
        await withTaskGroup(of: Receipt?.self) { group in
            var receipts: [Receipt] = []
            for (index, order) in orders.enumerated() {
                if index >= options.inFlight, let receipt = await group.next() ?? nil { receipts.append(receipt) }
                group.addTask {
                    do {
                        let run = try await workflow.start(order, id: order.orderID)
                        let receipt = try await run.result()
                        marks.write(.orderFinished)
                        return receipt
                    } catch {
                        marks.write(.orderFailed)
                        complain("order \(order.orderID): \(error)")
                        return nil
                    }
                }
            }
            for await case let receipt? in group { receipts.append(receipt) }
            return receipts
        }
    }
}
