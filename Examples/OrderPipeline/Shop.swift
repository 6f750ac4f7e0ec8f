import StepKit

/// The services an order needs. They stand in for real ones: each call takes a few milliseconds, leaves one effect in
/// the effect log, and fails as the fault model says, before or after that effect.
struct Shop: Sendable {
    var faults: FaultModel
    var effects: EffectLog
    var marks: MarkWriter

    func validatePayment(of order: Order, _ attempt: StepContext) async throws -> Payment {
        let sum = total(order.items.map(\.lineTotalCents))
        guard sum == order.totalCents else {
            // No other attempt can help here, so none is made.
            throw NonRetryableError("the items come to \(sum) cents, the order says \(order.totalCents)")
        }
        try await call(for: order, attempt)
        // The key is the same for every attempt: a real payment service would charge once, however often it is asked.
        return Payment(authorization: attempt.idempotencyKey, cents: order.totalCents)
    }

    func reserve(_ item: OrderItem, of order: Order, _ attempt: StepContext) async throws -> Reservation {
        try await call(for: order, attempt)
        return Reservation(item: item.name, quantity: item.quantity)
    }

    func createShipment(
        of order: Order, holding reservations: [Reservation], _ attempt: StepContext
    ) async throws -> Shipment {
        try await call(for: order, attempt)
        return Shipment(parcel: "parcel-\(order.orderID)", pieces: total(reservations.map(\.quantity)))
    }

    func sendConfirmation(
        of order: Order, paid payment: Payment, shipped shipment: Shipment, _ attempt: StepContext
    ) async throws -> Receipt {
        try await call(for: order, attempt)
        return Receipt(orderID: order.orderID, parcel: shipment.parcel, totalCents: payment.cents)
    }

    private func call(for order: Order, _ attempt: StepContext) async throws {
        marks.write(.bodyBegan)
        do {
            try await work(for: order, attempt)
        } catch {
            marks.write(.bodyFailed)
            throw error
        }
        marks.write(.bodySucceeded)
    }

    private func work(for order: Order, _ attempt: StepContext) async throws {
        let plan = faults.plan(
            order: order.orderID, scope: attempt.scope, step: attempt.stepID, occurrence: attempt.occurrence,
            attempt: attempt.attempt)
        try await Task.sleep(for: plan.duration / 2)
        if plan.failure == .beforeEffect { throw ServiceUnavailable(when: "before it did anything") }
        try effects.append(
            Effect(
                run: attempt.runID.description, order: order.orderID, scope: attempt.scope, step: attempt.stepID,
                occurrence: attempt.occurrence, attempt: attempt.attempt, totalCents: order.totalCents))
        try await Task.sleep(for: plan.duration / 2)
        if plan.failure == .afterEffect { throw ServiceUnavailable(when: "after it had done its work") }
    }
}

/// What a service throws that fails. It is an error like any other, so the attempt is repeated.
struct ServiceUnavailable: Error, CustomStringConvertible {
    var when: String
    var description: String { "the service failed \(when)" }
}
