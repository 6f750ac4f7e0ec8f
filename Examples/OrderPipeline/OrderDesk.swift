import ServiceLifecycle
import StepKit

/// Brings every order to the workflow and collects the receipts, so many at a time as a server would be asked to.
///
/// It starts all orders each time, also those of an earlier worker: an order that has a run already gets that run.
actor OrderDesk: Service {
    /// What became of one order as far as this worker is concerned.
    private enum Outcome {
        case done(Receipt)
        case failed
        /// The worker shuts down. The order's run is not cancelled by that: the next worker goes on with it.
        case leftOpen
    }

    private(set) var receipts: [Receipt] = []
    private(set) var failed = 0

    private let orders: [Order]
    private let workflow: Workflow<Order, Receipt>
    private let inFlight: Int
    private let marks: MarkWriter

    init(orders: [Order], workflow: Workflow<Order, Receipt>, inFlight: Int, marks: MarkWriter) {
        self.orders = orders
        self.workflow = workflow
        self.inFlight = inFlight
        self.marks = marks
    }

    func run() async {
        let (orders, workflow, inFlight, marks) = (orders, workflow, inFlight, marks)
        // A graceful shutdown ends the waiting.
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Outcome.self) { group in
                for (index, order) in orders.enumerated() {
                    if index >= inFlight, let outcome = await group.next() { await self.note(outcome) }
                    if Task.isCancelled { break }
                    group.addTask { await Self.process(order, with: workflow, marks: marks) }
                }
                for await outcome in group { await self.note(outcome) }
            }
        }
    }

    private static func process(
        _ order: Order, with workflow: Workflow<Order, Receipt>, marks: MarkWriter
    ) async -> Outcome {
        do {
            let receipt = try await insisting { try await workflow.start(order, id: order.orderID).result() }
            marks.write(.orderFinished)
            return .done(receipt)
        } catch is CancellationError {
            return .leftOpen
        } catch {
            marks.write(.orderFailed)
            complain("order \(order.orderID): \(error)")
            return .failed
        }
    }

    private func note(_ outcome: Outcome) {
        switch outcome {
        case .done(let receipt): receipts.append(receipt)
        case .failed: failed += 1
        case .leftOpen: break
        }
    }
}

/// Repeats what the engine refuses for now (it is busy, the disk is full) until it does not. Another call with the same
/// id is always safe: it gets the run that is there.
func insisting<T>(
    pause: () async throws -> Void = { try await Task.sleep(for: .milliseconds(50)) }, _ body: () async throws -> T
) async throws -> T {
    while true {
        do {
            return try await body()
        } catch let error as StoreError where error.isRetryable {
            try await pause()
        } catch is EngineBusy {
            try await pause()
        }
    }
}
