import Bytes
import DequeModule
import HeapModule

/// What is attempted, in which order, and how it went.
extension WebhookLedger {
    /// What is to be attempted now, within the limits. Each is in flight from then on.
    mutating func startable(now: Int) -> [WebhookDelivery] {
        while let due = waiting.min, due.at <= now {
            waiting.removeMin()
            guard let entry = entries[due.key], entry.place == .waiting, entry.delivery.dueAt == due.at else { continue }
            entries[due.key]?.place = .ready
            lanes[due.key.endpointID]?.ready.append(due.key)
            rotate(due.key.endpointID)
        }
        var started: [WebhookDelivery] = []
        while inFlightCount < limits.inFlight, let id = rotation.popFirst() {
            lanes[id]?.isInRotation = false
            guard endpoints[id]?.isEnabled == true, let lane = lanes[id], lane.inFlight < limits.inFlightPerEndpoint,
                let key = lanes[id]?.ready.popFirst()
            else { continue }
            // What was dropped meanwhile is still in the lane.
            if let entry = entries[key], entry.place == .ready {
                entries[key]?.place = .inFlight
                lanes[id]?.inFlight += 1
                inFlightCount += 1
                started.append(entry.delivery)
            }
            rotate(id)
        }
        return started
    }

    /// When something is to be done next, in milliseconds since 1970. What is ready waits for an attempt to end, not for a time.
    var nextDueAt: Int? { waiting.min?.at }

    /// Notes how an attempt went.
    /// - Parameter random: 0 ..< 1, for the jitter.
    mutating func attempted(_ key: WebhookDelivery.Key, _ attempt: WebhookDelivery.Attempt, _ verdict: Verdict, random: Double) {
        // Its endpoint may have been deleted.
        guard var entry = entries[key], entry.place == .inFlight else { return }
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
            entry.place = .waiting
            entries[key] = entry
            waiting.insert(Due(at: entry.delivery.dueAt, key: key))
        } else {
            entry.delivery.state = verdict == .delivered ? .delivered : .failed
            entry.delivery.dueAt = now
            entry.place = .over
            entries[key] = entry
            countPending(entry.delivery.event.owner, -1)
        }
        changes.append(.update(entry.delivery))
        if entry.place == .over { finish(key) }
        switch verdict {
        case .delivered: break
        case .gone: disable(key.endpointID, reason: "The receiver answered with status 410: it is gone.", now: now)
        case .failed:
            if next == nil { disableIfDead(key.endpointID, entry.delivery, now: now) }
        }
    }

    /// An attempt that was not made after all: it is as if it had not begun.
    mutating func abandoned(_ key: WebhookDelivery.Key) {
        guard let entry = entries[key], entry.place == .inFlight else { return }
        leaveFlight(key)
        entries[key]?.place = .waiting
        waiting.insert(Due(at: entry.delivery.dueAt, key: key))
    }

    /// A sample was sent at once, outside of the order and without a second attempt.
    mutating func tested(_ event: WebhookEvent, endpointID: String, _ attempt: WebhookDelivery.Attempt, _ verdict: Verdict) {
        guard endpoints[endpointID] != nil else { return }
        let now = attempt.at.saturatingAdding(attempt.milliseconds)
        var delivery = WebhookDelivery(event: event, endpointID: endpointID, dueAt: now)
        delivery.record(attempt)
        delivery.state = verdict == .delivered ? .delivered : .failed
        admit(delivery, isKept: false, now: now)
        if verdict == .delivered { noteHealth(of: endpointID, verdict, now: now) }
    }

    mutating func rotate(_ id: String) {
        guard let lane = lanes[id], !lane.isInRotation, !lane.ready.isEmpty, lane.inFlight < limits.inFlightPerEndpoint else {
            return
        }
        lanes[id]?.isInRotation = true
        rotation.append(id)
    }

    mutating func leaveFlight(_ key: WebhookDelivery.Key) {
        inFlightCount -= 1
        lanes[key.endpointID]?.inFlight -= 1
        rotate(key.endpointID)
    }
}
