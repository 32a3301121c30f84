import DequeModule
import HeapModule

/// Who is to be told of what, and when: endpoints, deliveries, their order and their limits. No clock, no socket, no disk.
///
/// Each call leaves what is to be kept in ``takeChanges()``.
struct WebhookLedger {
    struct Limits {
        /// Attempts at one time, to one endpoint and in all.
        var inFlightPerEndpoint = 4
        var inFlight = 64
        /// Deliveries that wait, of one owner's events. The oldest are dropped.
        var pendingPerOwner = 10_000
        /// Deliveries of one endpoint that are over and still known.
        var finishedPerEndpoint = 200
    }

    /// How an attempt went, as far as it decides what comes next.
    enum Verdict: Equatable {
        case delivered
        /// Not now; the receiver may have said when.
        case failed(retryAfter: Double?)
        /// Status 410: never again.
        case gone
    }

    /// Where a delivery is.
    private enum Place { case waiting, ready, inFlight, over }

    private struct Entry {
        var delivery: WebhookDelivery
        var place: Place
    }

    private struct Due: Comparable {
        let at: Int
        let key: WebhookDelivery.Key

        static func < (left: Due, right: Due) -> Bool { left.at < right.at }
        static func == (left: Due, right: Due) -> Bool { left.at == right.at }
    }

    /// What one endpoint has before it.
    private struct Lane {
        var ready: Deque<WebhookDelivery.Key> = []
        var inFlight = 0
        /// Over, in the order of their ends.
        var finished: Deque<WebhookDelivery.Key> = []
        /// Whether it stands in the rotation.
        var isInRotation = false
    }

    private let limits: Limits
    private let schedule: WebhookSchedule
    private let retentionMilliseconds: Int
    private(set) var endpoints: [String: WebhookEndpoint] = [:]
    /// In the order of their creation.
    private var endpointOrder: [String] = []
    private var entries: [WebhookDelivery.Key: Entry] = [:]
    private var lanes: [String: Lane] = [:]
    private var waiting = Heap<Due>()
    /// Endpoints that have something ready, each once: they take turns.
    private var rotation: Deque<String> = []
    /// By owner: what may wait, the oldest first; some of it is over meanwhile.
    private var pendingOrder: [String: Deque<WebhookDelivery.Key>] = [:]
    private var pendingCounts: [String: Int] = [:]
    private(set) var inFlightCount = 0
    private(set) var droppedCount: UInt64 = 0
    private var changes: [WebhookChange] = []
    private var endpointsHaveChanged = true

    init(schedule: WebhookSchedule, retentionMilliseconds: Int, limits: Limits = Limits()) {
        self.schedule = schedule
        self.retentionMilliseconds = retentionMilliseconds
        self.limits = limits
    }

    mutating func takeChanges() -> [WebhookChange] {
        defer { changes = [] }
        return changes
    }

    /// Whether endpoints were added, changed or removed since the last call.
    mutating func takeEndpointsHaveChanged() -> Bool {
        defer { endpointsHaveChanged = false }
        return endpointsHaveChanged
    }

    var pendingCount: Int { pendingCounts.values.reduce(0, +) }

    // MARK: Endpoints

    /// Of an owner, the newest first.
    func endpoints(owner: String) -> [WebhookEndpoint] {
        endpointOrder.reversed().compactMap { endpoints[$0] }.filter { $0.owner == owner }
    }

    /// Adds or changes one. That of the operator is not kept: the settings name it again at the next start.
    mutating func put(_ endpoint: WebhookEndpoint) {
        if endpoints.updateValue(endpoint, forKey: endpoint.id) == nil {
            endpointOrder.append(endpoint.id)
            lanes[endpoint.id] = Lane()
        }
        endpointsHaveChanged = true
        if endpoint.owner != nil { changes.append(.put(endpoint)) }
        if endpoint.isEnabled { rotate(endpoint.id) }
    }

    /// Forgets an endpoint and all that was for it.
    mutating func remove(_ id: String) {
        guard let endpoint = endpoints.removeValue(forKey: id) else { return }
        endpointsHaveChanged = true
        endpointOrder.removeAll { $0 == id }
        lanes[id] = nil
        for (key, entry) in entries where key.endpointID == id {
            if entry.place == .inFlight { inFlightCount -= 1 }
            if entry.place != .over { countPending(entry.delivery.event.owner, -1) }
            entries[key] = nil
        }
        if endpoint.owner != nil { changes.append(.removeEndpoint(id: id)) }
    }

    private mutating func disable(_ id: String, reason: String, now: Int) {
        guard var endpoint = endpoints[id], endpoint.isEnabled else { return }
        endpoint.state = .disabled(at: now / 1000, reason: reason)
        put(endpoint)
    }

    // MARK: Deliveries

    /// Takes a delivery in, unless it is known.
    /// - Parameter isKept: whether the store has it already.
    mutating func admit(_ delivery: WebhookDelivery, isKept: Bool, now: Int) {
        guard entries[delivery.key] == nil, endpoints[delivery.endpointID] != nil else { return }
        if !isKept { changes.append(.add(delivery)) }
        guard delivery.state == .pending else {
            entries[delivery.key] = Entry(delivery: delivery, place: .over)
            finish(delivery.key)
            return
        }
        entries[delivery.key] = Entry(delivery: delivery, place: .waiting)
        wait(delivery)
        makeRoom(for: delivery.event.owner, now: now)
    }

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
        let now = attempt.at + attempt.milliseconds
        leaveFlight(key)
        entry.delivery.record(attempt)
        noteHealth(of: key.endpointID, verdict, now: now)
        var next: Double?
        if case .failed(let retryAfter) = verdict {
            next = schedule.delay(afterAttempt: entry.delivery.roundAttemptCount, retryAfter: retryAfter, random: random)
        }
        if let next {
            entry.delivery.dueAt = now + Int((next * 1000).rounded(.up))
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
        let now = attempt.at + attempt.milliseconds
        var delivery = WebhookDelivery(event: event, endpointID: endpointID, dueAt: now)
        delivery.record(attempt)
        delivery.state = verdict == .delivered ? .delivered : .failed
        admit(delivery, isKept: false, now: now)
        if verdict == .delivered { noteHealth(of: endpointID, verdict, now: now) }
    }

    /// Sends an owner's event again, with all attempts before it, to those of the owner's endpoints that it was for.
    /// - Returns: how many.
    mutating func redeliver(eventID: String, owner: String, endpointID: String?, now: Int) -> Int {
        var count = 0
        for endpoint in endpoints(owner: owner) where endpointID == nil || endpoint.id == endpointID {
            let key = WebhookDelivery.Key(eventID: eventID, endpointID: endpoint.id)
            guard var entry = entries[key], !entry.delivery.event.isTest else { continue }
            count += 1
            if entry.place == .inFlight || entry.place == .ready { continue }
            let wasOver = entry.place == .over
            entry.delivery.state = .pending
            entry.delivery.roundAttemptCount = 0
            entry.delivery.roundBeganAt = nil
            entry.delivery.dueAt = now
            entry.place = .waiting
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

    /// Of an endpoint, the newest event first.
    func deliveries(endpointID: String, limit: Int) -> [WebhookDelivery] {
        let all = entries.lazy.filter { $0.key.endpointID == endpointID }.map(\.value.delivery)
        return Array(all.sorted { ($0.event.createdAt, $0.dueAt) > ($1.event.createdAt, $1.dueAt) }.prefix(limit))
    }

    func pendingCount(endpointID: String) -> Int {
        entries.count { $0.key.endpointID == endpointID && $0.value.delivery.state == .pending }
    }

    /// Forgets what is over for long, and gives up what waits for a disabled endpoint for long.
    mutating func sweep(now: Int) {
        let oldest = now - retentionMilliseconds
        for (key, entry) in entries where entry.place == .waiting || entry.place == .ready {
            guard endpoints[key.endpointID]?.isEnabled == false, entry.delivery.event.createdAt * 1000 < oldest else { continue }
            giveUp(key, as: .failed, now: now)
        }
        for id in endpointOrder {
            while let key = lanes[id]?.finished.first, let entry = entries[key], entry.delivery.dueAt < oldest {
                lanes[id]?.finished.removeFirst()
                forget(key)
            }
        }
    }

    // MARK: Parts

    private mutating func wait(_ delivery: WebhookDelivery) {
        waiting.insert(Due(at: delivery.dueAt, key: delivery.key))
        countPending(delivery.event.owner, 1)
        pendingOrder[delivery.event.owner, default: []].append(delivery.key)
    }

    private mutating func countPending(_ owner: String, _ change: Int) {
        let count = (pendingCounts[owner] ?? 0) + change
        pendingCounts[owner] = count > 0 ? count : nil
        if count <= 0 { pendingOrder[owner] = nil }
    }

    private mutating func rotate(_ id: String) {
        guard let lane = lanes[id], !lane.isInRotation, !lane.ready.isEmpty, lane.inFlight < limits.inFlightPerEndpoint else {
            return
        }
        lanes[id]?.isInRotation = true
        rotation.append(id)
    }

    private mutating func leaveFlight(_ key: WebhookDelivery.Key) {
        inFlightCount -= 1
        lanes[key.endpointID]?.inFlight -= 1
        rotate(key.endpointID)
    }

    private mutating func noteHealth(of id: String, _ verdict: Verdict, now: Int) {
        guard var endpoint = endpoints[id] else { return }
        if verdict == .delivered {
            // Not kept each time: only a change of what people are shown is worth a write.
            let mustKeep = endpoint.failures > 0
            endpoint.failures = 0
            endpoint.lastSuccessAt = now
            if mustKeep { put(endpoint) } else { endpoints[id] = endpoint }
        } else {
            endpoint.failures += 1
            put(endpoint)
        }
    }

    /// A delivery has used up its attempts. If nothing else came through in that time, the endpoint is dead.
    private mutating func disableIfDead(_ id: String, _ delivery: WebhookDelivery, now: Int) {
        guard let endpoint = endpoints[id], let began = delivery.roundBeganAt, endpoint.lastSuccessAt.map({ $0 < began }) ?? true
        else { return }
        let word = delivery.attempts.last?.error ?? "unknown"
        disable(
            id,
            reason: "No attempt succeeded in \((now - began) / 1000) s: \(endpoint.failures) failed, the last one with \(word).",
            now: now)
    }

    /// The oldest that wait go until the owner is within the limit.
    private mutating func makeRoom(for owner: String, now: Int) {
        while let count = pendingCounts[owner], count > limits.pendingPerOwner, let key = pendingOrder[owner]?.popFirst() {
            guard let entry = entries[key], entry.place == .waiting || entry.place == .ready else { continue }
            droppedCount += 1
            giveUp(key, as: .dropped, now: now)
        }
        // Keys of what is over may be the most of it.
        guard let order = pendingOrder[owner], order.count > 2 * (pendingCounts[owner] ?? 0) + 64 else { return }
        pendingOrder[owner] = order.filter { entries[$0].map { $0.place != .over } ?? false }
    }

    private mutating func giveUp(_ key: WebhookDelivery.Key, as state: WebhookDelivery.State, now: Int) {
        guard var entry = entries[key] else { return }
        entry.delivery.state = state
        entry.delivery.dueAt = now
        entry.place = .over
        entries[key] = entry
        changes.append(.update(entry.delivery))
        countPending(entry.delivery.event.owner, -1)
        finish(key)
    }

    private mutating func finish(_ key: WebhookDelivery.Key) {
        lanes[key.endpointID]?.finished.append(key)
        while let lane = lanes[key.endpointID], lane.finished.count > limits.finishedPerEndpoint,
            let oldest = lanes[key.endpointID]?.finished.popFirst()
        {
            forget(oldest)
        }
    }

    private mutating func forget(_ key: WebhookDelivery.Key) {
        entries[key] = nil
        changes.append(.remove(key))
    }
}
