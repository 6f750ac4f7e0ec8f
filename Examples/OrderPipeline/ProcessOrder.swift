import StepKit

/// Failed attempts are repeated after 20 ms, 40 ms, 80 ms …: short, because this is a demo.
private let patiently = RetryPolicy.exponential(
    maxAttempts: 6, initial: .milliseconds(20), factor: 2, max: .seconds(1))

/// The workflow: an ordinary async function. Each step's result is recorded, so when the process dies, the next one
/// calls this function again, gets the recorded results of the finished steps, and goes on with the first that is not.
func defineProcessOrder(on client: Client, at shop: Shop) -> Workflow<Order, Receipt> {
    client.workflow("process-order", input: Order.self) { context, step in
        let order = context.input

        let payment = try await step.run("validate-payment", retry: patiently) { attempt in
            try await shop.validatePayment(of: order, attempt)
        }

        // All items at once. Each goes into a scope named by its position, because an order may name an item twice.
        let reservations = try await withThrowingTaskGroup(of: Reservation.self) { group in
            for (index, item) in order.items.enumerated() {
                group.addTask {
                    try await step.group("item-\(index)") { step in
                        try await step.run("reserve", retry: patiently) { attempt in
                            try await shop.reserve(item, of: order, attempt)
                        }
                    }
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }

        let shipment = try await step.run("create-shipment", retry: patiently) { attempt in
            try await shop.createShipment(of: order, holding: reservations, attempt)
        }

        try await step.sleep("cooling-off", for: .milliseconds(150))

        return try await step.run("send-confirmation", retry: patiently) { attempt in
            try await shop.sendConfirmation(of: order, paid: payment, shipped: shipment, attempt)
        }
    }
}
