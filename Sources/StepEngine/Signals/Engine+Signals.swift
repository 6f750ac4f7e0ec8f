import Logging
package import StepCore
package import StepEvents
import StepLocks
import StepLog
import StepReplay
import Synchronization

extension Engine {
    package func signal(_ request: SignalRequest) async throws -> RunID? {
        try requireRunning(for: "sending a signal")
        let number = try await route(request, request.idempotencyKey.map { .key($0) }, priority: .normal)
        guard let number, number != .store else { return nil }
        let store = store
        return try await pool.perform { try store.read { snapshot in try snapshot.run(number)?.id } }
    }

    /// Gives a signal to the longest waiting run that takes it, or to all that do, or keeps or drops it. Returns the run.
    /// `priority` is that of keeping it.
    private func route(
        _ request: SignalRequest, _ mark: SignalMark?, priority: Command.Priority
    ) async throws -> RunNumber? {
        try await signals.inTurn(request.name) {
            if let mark, let run = try await receipt(mark, of: request.name) { return run }
            let taker =
                switch request.delivery {
                case .first: try await give(request, mark)
                case .all: try await giveToAll(request)
                }
            if let taker { return taker }
            guard let keptFor = request.disposition.keptFor else { return nil }
            try await keep(request, mark, for: keptFor, priority: priority)
            return .store
        }
    }

    /// Who got a signal that was sent before, as far as it is remembered. What runs send is remembered until they have
    /// recorded that it arrived, however long they are away.
    private func receipt(_ mark: SignalMark, of signal: String) async throws -> RunNumber? {
        let store = store
        let oldest = clock.now.advanced(by: .zero - Limits.receiptLifetime)
        return try await pool.perform {
            try store.read { snapshot in
                guard let receipt = try snapshot.receipt(ReceiptName(mark, of: signal)) else { return nil }
                if case .key = mark, receipt.time < oldest { return nil }
                return receipt.run
            }
        }
    }

    /// Offers the signal to one waiter after the other, the longest waiting first. Where none can take it but some can't
    /// go on now, it is queued for the first of these.
    private func give(_ request: SignalRequest, _ mark: SignalMark?) async throws -> RunNumber? {
        var tried: Set<SignalRouter.Waiter> = []
        var away: [SignalRouter.Waiter] = []
        while let waiter = try await nextWaiter(for: request.name, except: tried) {
            tried.insert(waiter)
            switch try await offer(request, mark, to: waiter, isQueued: false) {
            case .accepted: return waiter.run
            case .cannotWake: away.append(waiter)
            case .notWaiting, .rejected: signals.remove(waiter, for: request.name)
            }
        }
        var unreadable: SignalRouter.Waiter?
        for waiter in away {
            switch try await offer(request, mark, to: waiter, isQueued: true) {
            case .accepted:
                signals.remove(waiter, for: request.name)
                return waiter.run
            case .cannotWake: unreadable = waiter
            case .notWaiting, .rejected: continue
            }
        }
        // It waits, but nothing can be recorded for it. Nobody else may get its signal unnoticed.
        if let unreadable {
            throw Self.unreadable(unreadable, request)
        }
        return nil
    }

    /// Offers the signal to all that wait by now, the longest waiting first, and queues it for those that can't go on.
    ///
    /// Each run recognises it by a key of its own: a process that ends in between has reached some of them, and the
    /// sender, who was told nothing, sends it again for the others.
    private func giveToAll(_ request: SignalRequest) async throws -> RunNumber? {
        var taker: RunNumber?
        var rejection: InvalidPayloadError?
        /// Whether a run got it when it was sent before.
        var isRepeated: [RunNumber: Bool] = [:]
        for waiter in try await waiters(for: request.name).sorted() {
            let mark = request.idempotencyKey.map {
                SignalMark.key(StableHash.deliveryKey($0, to: waiter.run.value))
            }
            if let mark, isRepeated[waiter.run] == nil {
                isRepeated[waiter.run] = try await receipt(mark, of: request.name) != nil
            }
            if isRepeated[waiter.run] == true {
                taker = taker ?? waiter.run
                continue
            }
            do {
                var verdict = try await offer(request, mark, to: waiter, isQueued: false)
                if verdict == .cannotWake { verdict = try await offer(request, mark, to: waiter, isQueued: true) }
                switch verdict {
                case .accepted:
                    signals.remove(waiter, for: request.name)
                    taker = taker ?? waiter.run
                case .notWaiting, .rejected: signals.remove(waiter, for: request.name)
                case .cannotWake: throw Self.unreadable(waiter, request)
                }
            } catch let error as InvalidPayloadError {
                rejection = rejection ?? error
            }
        }
        if taker == nil, let rejection { throw rejection }
        return taker
    }

    private static func unreadable(_ waiter: SignalRouter.Waiter, _ request: SignalRequest) -> StoreError {
        StoreError(.damaged, "run \(waiter.run), which waits for \(request.name), can't be read")
    }

    private func offer(
        _ request: SignalRequest, _ mark: SignalMark?, to waiter: SignalRouter.Waiter, isQueued: Bool
    ) async throws -> SignalVerdict {
        let verdict = try await signals.offer { id in
            let offer = SignalOffer(
                id: id, step: waiter.step, payload: request.payload, mark: mark, isQueued: isQueued)
            wake(waiter.run, with: .offer(offer))
        }
        guard case .rejected(let failure) = verdict else { return verdict }
        let store = store
        let run = try await pool.perform { try store.read { snapshot in try snapshot.run(waiter.run)?.id } }
        throw InvalidPayloadError(
            signal: request.name, runID: run ?? RunID(high: 0, low: 0), reason: failure.message)
    }

    private func nextWaiter(
        for name: String, except tried: Set<SignalRouter.Waiter>
    ) async throws -> SignalRouter.Waiter? {
        try await waiters(for: name).subtracting(tried).min()
    }

    /// Waits of resident runs are known before they are durable; those of other runs stand on disk.
    private func waiters(for name: String) async throws -> Set<SignalRouter.Waiter> {
        let store = store
        let stored = try await pool.perform {
            try store.read { snapshot in try snapshot.waiters(of: name) }
        }
        return signals.waiters(for: name).union(
            stored.map { SignalRouter.Waiter(since: $0.since, run: $0.run, step: $0.step) })
    }

    private func keep(
        _ request: SignalRequest, _ mark: SignalMark?, for duration: Duration, priority: Command.Priority
    ) async throws {
        let keptAt = signals.keptTime(clock.now)
        let until = keptAt.advanced(by: duration)
        let event = Event(
            run: .store, sequence: 0, time: keptAt,
            body: .signalKept(
                SignalKept(signal: request.name, payload: request.payload, until: until, mark: mark)))
        try await submitStoreEvent(event, priority: priority)
        // Someone may have begun to wait between the last look and now.
        let waiters = signals.waiters(for: request.name).sorted()
        for waiter in waiters where try await offerKept(request.name, to: waiter) { break }
        let near = state.withLock { until <= $0.windowEnd }
        if near {
            let wait = max(.zero, clock.now.duration(to: until))
            timers.set(.engine(.nextWindow), due: until, after: wait)
        }
    }

    private func submitStoreEvent(_ event: Event, priority: Command.Priority) async throws {
        var batch = EventBatch()
        var changes: [TableChange] = []
        batch.append(event)
        Projection.changes(storeEvent: event, at: 0, into: &changes)
        try await commit(batch, changes, priority: priority)
    }

    // MARK: Waits

    /// A resident run waits for a signal: it takes one that was kept, or is remembered.
    func awaitSignal(_ resident: Resident, _ step: StepNumber, signal: String, since: Timestamp) {
        let waiter = SignalRouter.Waiter(since: since, run: resident.number, step: step)
        signals.add(waiter, for: signal)
        let hasKept: Bool
        do {
            hasKept = try store.read { snapshot in try !snapshot.kept(signal, limit: 1).isEmpty }
        } catch {
            logger.error("kept signals can't be read", metadata: ["signal": "\(signal)", "error": "\(error)"])
            return
        }
        guard hasKept else { return }
        resident.beginsSearch()
        Task { [self] in
            defer { resident.endsSearch() }
            do {
                _ = try await signals.inTurn(signal) { try await offerKept(signal, to: waiter) }
            } catch {
                logger.error("a kept signal can't be given", metadata: ["signal": "\(signal)", "error": "\(error)"])
            }
        }
    }

    func stopAwaitingSignal(_ run: RunNumber, _ step: StepNumber, signal: String, since: Timestamp) {
        signals.remove(SignalRouter.Waiter(since: since, run: run, step: step), for: signal)
    }

    /// Offers kept signals of the name, the oldest first, until one is taken. Returns whether one was. A waiter that
    /// has left memory is brought back, and asks itself.
    private func offerKept(_ name: String, to waiter: SignalRouter.Waiter) async throws -> Bool {
        let store = store
        let now = clock.now
        let kept = try await pool.perform {
            try store.read { snapshot in
                try snapshot.kept(name).filter { $0.until > now }.compactMap { row -> (KeptRow, SignalKept)? in
                    guard case .signalKept(let body)? = try snapshot.event(at: row.lsn)?.event.body else {
                        return nil
                    }
                    return (row, body)
                }
            }
        }
        for (row, body) in kept {
            let verdict = try await signals.offer { id in
                // Its receipt stands already: keeping the signal wrote it.
                let offer = SignalOffer(id: id, step: waiter.step, payload: body.payload, mark: nil)
                let kept = KeptSignal(name: name, keptAt: row.keptAt)
                guard !self.offer(kept, offer, toResident: waiter.run) else { return }
                answerOffer(id, .success(.notWaiting))
                bringBack(waiter.run)
            }
            switch verdict {
            case .accepted: return true
            case .notWaiting, .cannotWake: return false
            case .rejected: continue
            }
        }
        return false
    }

    func answerOffer(_ id: UInt64, _ verdict: Result<SignalVerdict, StoreError>) {
        signals.answer(id, verdict.mapError { $0 })
    }

    /// A kept signal's time has run out.
    func expireKept(_ lsn: LSN) {
        guard let event = try? store.read({ snapshot in try snapshot.event(at: lsn) }),
            case .signalKept(let kept) = event.event.body
        else { return }
        let expired = Event(
            run: .store, sequence: 0, time: max(clock.now, kept.until),
            body: .signalExpired(SignalExpired(signal: kept.signal, keptAt: event.event.time)))
        Task { [self] in
            do {
                try await signals.inTurn(kept.signal) {
                    let store = store
                    let isKept = try await pool.perform {
                        try store.read { snapshot in
                            try snapshot.kept(kept.signal).contains { $0.keptAt == event.event.time }
                        }
                    }
                    if isKept { try await submitStoreEvent(expired, priority: .completion) }
                }
            } catch {
                logger.error(
                    "a kept signal can't be removed", metadata: ["signal": "\(kept.signal)", "error": "\(error)"])
            }
        }
    }

    // MARK: Signals that runs send

    /// Sends what a run has recorded that it sends, and tells it where the signal went.
    func deliver(_ sent: SignalSent, _ step: StepNumber, of resident: Resident) {
        Task { [self] in
            let disposition: SignalDisposition =
                sent.keepUntil.map { .keep(for: clock.now.duration(to: $0)) } ?? .drop
            let request = SignalRequest(
                name: sent.signal, payload: sent.payload, disposition: disposition, idempotencyKey: nil)
            let mark = SignalMark.step(resident.number, step)
            do {
                // Running work is completed by it, so it waits for room where others are refused.
                let receiver = try await route(request, mark, priority: .completion)
                wake(resident.number, with: .signalDelivered(step, to: receiver ?? .store))
            } catch let error as InvalidPayloadError {
                logger.warning("a signal was rejected", metadata: ["signal": "\(sent.signal)", "error": "\(error)"])
                wake(resident.number, with: .signalDelivered(step, to: .store))
            } catch {
                // Not recorded as delivered, so the run sends it again when it is next replayed.
                logger.error("a signal was not sent", metadata: ["signal": "\(sent.signal)", "error": "\(error)"])
            }
        }
    }
}
