import Bytes
import DequeModule
import HeapModule

/// Attempts: order and results.
extension WebhookLedger {
    /// The deliveries to attempt now, within the limits. Marks them as in flight.
    mutating func startable(now: Int) -> [WebhookDelivery] {
        while let due = waiting.min, due.at <= now {
            waiting.removeMin()
            guard let entry = entries[due.key], entry.stage == .waiting, entry.delivery.dueAt == due.at else { continue }
            entries[due.key]?.stage = .ready
            lanes[due.key.endpointID]?.ready.append(due.key)
            rotate(due.key.endpointID)
        }
        var started: [WebhookDelivery] = []
        var full: Deque<String> = []
        while inFlightCount < 2 * limits.inFlight, let owner = rotation.popFirst() {
            shares[owner]?.isInRotation = false
            guard let share = shares[owner], share.inFlight < limits.inFlightPerOwner else { continue }
            if inFlightCount >= limits.inFlight, share.inFlight > 0 {
                // Waits for an attempt to end, ahead of later owners.
                shares[owner]?.isInRotation = true
                full.append(owner)
                continue
            }
            if let id = shares[owner]?.lanes.popFirst() {
                lanes[id]?.isInRotation = false
                // Deliveries to a disabled endpoint become ready again when it is enabled.
                if endpoints[id]?.isEnabled == true {
                    if let delivery = begin(id, owner: owner) { started.append(delivery) }
                    rotate(id)
                }
            }
            enter(owner)
        }
        rotation.prepend(contentsOf: full)
        return started
    }

    /// Marks the next ready delivery of an endpoint as in flight.
    private mutating func begin(_ id: String, owner: String) -> WebhookDelivery? {
        guard let lane = lanes[id], lane.inFlight < limits.inFlightPerEndpoint,
            let key = lanes[id]?.ready.popFirst(),
            // A lane may still contain dropped deliveries.
            let entry = entries[key], entry.stage == .ready
        else { return nil }
        entries[key]?.stage = .inFlight
        lanes[id]?.inFlight += 1
        shares[owner, default: Share()].inFlight += 1
        inFlightCount += 1
        return entry.delivery
    }

    /// Time of the next due delivery, in milliseconds since 1970. Ready deliveries wait for an attempt to end instead.
    var nextDueAt: Int? { waiting.min?.at }

    /// Records the result of an attempt.
    /// - Parameter random: 0 ..< 1, for the jitter.
    mutating func attempted(_ key: WebhookDelivery.Key, _ attempt: WebhookDelivery.Attempt, _ verdict: Verdict, random: Double) {
        // The endpoint may have been deleted.
        guard var entry = entries[key], entry.stage == .inFlight else { return }
        let now = attempt.at.saturatingAdding(attempt.milliseconds)
        leaveFlight(key)
        entry.delivery.record(attempt)
        noteHealth(of: key.endpointID, verdict, now: now)
        var next: Double?
        if case .failed(let retryAfter) = verdict {
            next = schedule.delay(afterAttempt: entry.delivery.roundAttemptCount, retryAfter: retryAfter, random: random)
        }
        if let next {
            entry.delivery.dueAt = now.saturatingAdding(Int(saturating: (next * 1000).rounded(.up)))
            entry.stage = .waiting
            entries[key] = entry
            waiting.insert(Due(at: entry.delivery.dueAt, key: key))
        } else {
            entry.delivery.state = verdict == .delivered ? .delivered : .failed
            entry.delivery.dueAt = now
            entry.stage = .over
            entries[key] = entry
            countPending(entry.delivery.event.owner, -1)
        }
        changes.append(.update(entry.delivery))
        if entry.stage == .over { finish(key) }
        switch verdict {
        case .delivered: break
        case .gone: disable(key.endpointID, reason: "The receiver answered with status 410: it is gone.", now: now)
        case .failed:
            if next == nil { disableIfDead(key.endpointID, entry.delivery, now: now) }
        }
    }

    /// Reverts the start of an attempt that was not made.
    mutating func abandoned(_ key: WebhookDelivery.Key) {
        guard let entry = entries[key], entry.stage == .inFlight else { return }
        leaveFlight(key)
        entries[key]?.stage = .waiting
        waiting.insert(Due(at: entry.delivery.dueAt, key: key))
    }

    /// Records a sample, sent out of order and without retries.
    mutating func tested(_ event: WebhookEvent, endpointID: String, _ attempt: WebhookDelivery.Attempt, _ verdict: Verdict) {
        guard endpoints[endpointID] != nil else { return }
        let now = attempt.at.saturatingAdding(attempt.milliseconds)
        var delivery = WebhookDelivery(event: event, endpointID: endpointID, dueAt: now)
        delivery.record(attempt)
        delivery.state = verdict == .delivered ? .delivered : .failed
        admit(delivery, isStored: false, now: now)
        if verdict == .delivered { noteHealth(of: endpointID, verdict, now: now) }
    }

    mutating func rotate(_ id: String) {
        guard let lane = lanes[id], !lane.isInRotation, !lane.ready.isEmpty, lane.inFlight < limits.inFlightPerEndpoint else {
            return
        }
        lanes[id]?.isInRotation = true
        guard let endpoint = endpoints[id] else { return }
        let owner = Self.share(of: endpoint)
        shares[owner, default: Share()].lanes.append(id)
        enter(owner)
    }

    /// Adds an owner to the rotation, if it has ready deliveries and is below its limit.
    private mutating func enter(_ owner: String) {
        guard let share = shares[owner], !share.isInRotation, !share.lanes.isEmpty, share.inFlight < limits.inFlightPerOwner else {
            return
        }
        shares[owner]?.isInRotation = true
        rotation.append(owner)
    }

    mutating func leaveFlight(_ key: WebhookDelivery.Key) {
        if let endpoint = endpoints[key.endpointID] { leaveShare(of: endpoint) }
        lanes[key.endpointID]?.inFlight -= 1
        rotate(key.endpointID)
    }

    /// Frees the slot of an attempt to one of an owner's endpoints.
    mutating func leaveShare(of endpoint: WebhookEndpoint) {
        inFlightCount -= 1
        let owner = Self.share(of: endpoint)
        shares[owner]?.inFlight -= 1
        enter(owner)
        if let share = shares[owner], share.inFlight <= 0, share.lanes.isEmpty, !share.isInRotation { shares[owner] = nil }
    }

    /// The owner for fair sharing; all operator endpoints count as one owner.
    private static func share(of endpoint: WebhookEndpoint) -> String { endpoint.owner ?? "" }
}
