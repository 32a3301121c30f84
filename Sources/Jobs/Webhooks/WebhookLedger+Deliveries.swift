import Bytes
import DequeModule
import HeapModule

/// Deliveries: admission, redelivery, expiry.
extension WebhookLedger {
    /// Admits a delivery, unless it exists already.
    /// - Parameter isStored: whether the store has it already.
    mutating func admit(_ delivery: WebhookDelivery, isStored: Bool, now: Int) {
        guard entries[delivery.key] == nil, endpoints[delivery.endpointID] != nil else { return }
        if !isStored { changes.append(.add(delivery)) }
        guard delivery.state == .pending else {
            entries[delivery.key] = Entry(delivery: delivery, stage: .over)
            finish(delivery.key)
            return
        }
        entries[delivery.key] = Entry(delivery: delivery, stage: .waiting)
        wait(delivery)
        makeRoom(for: delivery.event.owner, now: now)
    }

    /// Redelivers an owner's event to the owner's endpoints for which it was meant, with a new round of attempts.
    /// - Returns: the number of deliveries.
    mutating func redeliver(eventID: String, owner: String, endpointID: String?, now: Int) -> Int {
        var count = 0
        for endpoint in endpoints(owner: owner) where endpointID == nil || endpoint.id == endpointID {
            let key = WebhookDelivery.Key(eventID: eventID, endpointID: endpoint.id)
            guard var entry = entries[key], !entry.delivery.event.isTest else { continue }
            count += 1
            if entry.stage == .inFlight || entry.stage == .ready { continue }
            let wasOver = entry.stage == .over
            entry.delivery.state = .pending
            entry.delivery.roundAttemptCount = 0
            entry.delivery.roundBeganAt = nil
            entry.delivery.dueAt = now
            entry.stage = .waiting
            entries[key] = entry
            changes.append(.update(entry.delivery))
            if wasOver {
                lanes[endpoint.id]?.finished.removeAll { $0 == key }
                wait(entry.delivery)
            } else {
                waiting.insert(Due(at: now, key: key))
            }
        }
        return count
    }

    /// The deliveries of an endpoint, newest event first.
    func deliveries(endpointID: String, limit: Int) -> [WebhookDelivery] {
        let all = entries.lazy.filter { $0.key.endpointID == endpointID }.map(\.value.delivery)
        return Array(all.sorted { ($0.event.createdAt, $0.dueAt) > ($1.event.createdAt, $1.dueAt) }.prefix(limit))
    }

    func pendingCount(endpointID: String) -> Int {
        entries.count { $0.key.endpointID == endpointID && $0.value.delivery.state == .pending }
    }

    /// Removes old finished deliveries, and drops old ones that are waiting for a disabled endpoint.
    mutating func sweep(now: Int) {
        let oldest = now.saturatingSubtracting(retentionMilliseconds)
        for (key, entry) in entries where entry.stage == .waiting || entry.stage == .ready {
            guard endpoints[key.endpointID]?.isEnabled == false,
                entry.delivery.event.createdAt.saturatingMultiplied(by: 1000) < oldest
            else { continue }
            giveUp(key, as: .failed, now: now)
        }
        for id in endpointOrder {
            while let key = lanes[id]?.finished.first, let entry = entries[key], entry.delivery.dueAt < oldest {
                lanes[id]?.finished.removeFirst()
                forget(key)
            }
        }
    }

    mutating func wait(_ delivery: WebhookDelivery) {
        waiting.insert(Due(at: delivery.dueAt, key: delivery.key))
        countPending(delivery.event.owner, 1)
        pendingOrder[delivery.event.owner, default: []].append(delivery.key)
    }

    mutating func countPending(_ owner: String, _ change: Int) {
        let count = (pendingCounts[owner] ?? 0) + change
        pendingCounts[owner] = count > 0 ? count : nil
        if count <= 0 { pendingOrder[owner] = nil }
    }

    /// Drops the oldest waiting deliveries until the owner is within the limit.
    mutating func makeRoom(for owner: String, now: Int) {
        while let count = pendingCounts[owner], count > limits.pendingPerOwner, let key = pendingOrder[owner]?.popFirst() {
            guard let entry = entries[key], entry.stage == .waiting || entry.stage == .ready else { continue }
            droppedCount += 1
            giveUp(key, as: .dropped, now: now)
        }
        // Compacts the order only once finished deliveries are the majority.
        guard let order = pendingOrder[owner], order.count > 2 * (pendingCounts[owner] ?? 0) + 64 else { return }
        pendingOrder[owner] = order.filter { entries[$0].map { $0.stage != .over } ?? false }
    }

    mutating func giveUp(_ key: WebhookDelivery.Key, as state: WebhookDelivery.State, now: Int) {
        guard var entry = entries[key] else { return }
        entry.delivery.state = state
        entry.delivery.dueAt = now
        entry.stage = .over
        entries[key] = entry
        changes.append(.update(entry.delivery))
        countPending(entry.delivery.event.owner, -1)
        finish(key)
    }

    mutating func finish(_ key: WebhookDelivery.Key) {
        lanes[key.endpointID]?.finished.append(key)
        while let lane = lanes[key.endpointID], lane.finished.count > limits.finishedPerEndpoint,
            let oldest = lanes[key.endpointID]?.finished.popFirst()
        {
            forget(oldest)
        }
    }

    mutating func forget(_ key: WebhookDelivery.Key) {
        entries[key] = nil
        changes.append(.remove(key))
    }
}
