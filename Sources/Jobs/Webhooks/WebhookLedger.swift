import DequeModule
import HeapModule

/// The state of all webhooks: endpoints, deliveries, order and limits. Free of clocks, sockets and I/O.
///
/// After each call, ``takeChanges()`` returns the changes to store.
struct WebhookLedger {
    struct Limits {
        /// Most attempts in flight per endpoint, per owner, and in total. An owner without any may exceed the total, up to twice
        /// the total, so that a hanging receiver delays only its own owner.
        var inFlightPerEndpoint = 4
        var inFlightPerOwner = 16
        var inFlight = 64
        /// Most waiting deliveries per owner; beyond it, the oldest are dropped.
        var pendingPerOwner = 10_000
        /// Most finished deliveries retained per endpoint.
        var finishedPerEndpoint = 200
    }

    /// The result of an attempt, for scheduling.
    enum Verdict: Equatable {
        case delivered
        /// Failed: retried after the schedule's delay or the receiver's own, in seconds.
        case failed(retryAfter: Double?)
        /// Status 410: not retried, and the endpoint is disabled.
        case gone
    }

    /// The state of a delivery.
    enum Stage { case waiting, ready, inFlight, over }

    struct Entry {
        var delivery: WebhookDelivery
        var stage: Stage
    }

    struct Due: Comparable {
        let at: Int
        let key: WebhookDelivery.Key

        static func < (left: Due, right: Due) -> Bool { left.at < right.at }
        static func == (left: Due, right: Due) -> Bool { left.at == right.at }
    }

    /// The queue of one endpoint.
    struct Lane {
        var ready: Deque<WebhookDelivery.Key> = []
        var inFlight = 0
        /// Finished deliveries, in the order of their ends.
        var finished: Deque<WebhookDelivery.Key> = []
        /// Whether the endpoint is in its owner's rotation.
        var isInRotation = false
    }

    /// The queue of one owner.
    struct Share {
        /// Endpoints with ready deliveries, without duplicates.
        var lanes: Deque<String> = []
        var inFlight = 0
        /// Whether the owner is in the rotation.
        var isInRotation = false
    }

    let limits: Limits
    let schedule: WebhookSchedule
    let retentionMilliseconds: Int
    private(set) var endpoints: [String: WebhookEndpoint] = [:]
    /// In order of creation.
    private(set) var endpointOrder: [String] = []
    var entries: [WebhookDelivery.Key: Entry] = [:]
    var lanes: [String: Lane] = [:]
    var waiting = Heap<Due>()
    /// Queues of ready deliveries, by ``share(of:)``.
    var shares: [String: Share] = [:]
    /// Owners with ready deliveries, without duplicates. Owners are served round-robin, and so are the endpoints of each.
    var rotation: Deque<String> = []
    /// Waiting deliveries of each owner, oldest first; may include finished ones.
    var pendingOrder: [String: Deque<WebhookDelivery.Key>] = [:]
    var pendingCounts: [String: Int] = [:]
    var inFlightCount = 0
    var droppedCount: UInt64 = 0
    var changes: [WebhookChange] = []
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

    /// The endpoints of an owner, newest first.
    func endpoints(owner: String) -> [WebhookEndpoint] {
        endpointOrder.reversed().compactMap { endpoints[$0] }.filter { $0.owner == owner }
    }

    /// Adds or changes an endpoint. Operator endpoints are not stored, since they come from the settings.
    mutating func put(_ endpoint: WebhookEndpoint) {
        if endpoints.updateValue(endpoint, forKey: endpoint.id) == nil {
            endpointOrder.append(endpoint.id)
            lanes[endpoint.id] = Lane()
        }
        endpointsHaveChanged = true
        if endpoint.owner != nil { changes.append(.put(endpoint)) }
        if endpoint.isEnabled { rotate(endpoint.id) }
    }

    /// Removes an endpoint and its deliveries.
    mutating func remove(_ id: String) {
        guard let endpoint = endpoints.removeValue(forKey: id) else { return }
        endpointsHaveChanged = true
        endpointOrder.removeAll { $0 == id }
        lanes[id] = nil
        for (key, entry) in entries where key.endpointID == id {
            if entry.stage == .inFlight { leaveShare(of: endpoint) }
            if entry.stage != .over { countPending(entry.delivery.event.owner, -1) }
            entries[key] = nil
        }
        if endpoint.owner != nil { changes.append(.removeEndpoint(id: id)) }
    }

    mutating func disable(_ id: String, reason: String, now: Int) {
        guard var endpoint = endpoints[id], endpoint.isEnabled else { return }
        endpoint.state = .disabled(at: now / 1000, reason: reason)
        put(endpoint)
    }

    mutating func noteHealth(of id: String, _ verdict: Verdict, now: Int) {
        guard var endpoint = endpoints[id] else { return }
        if verdict == .delivered {
            // Only a visible change is worth a write.
            let mustStore = endpoint.failures > 0
            endpoint.failures = 0
            endpoint.lastSuccessAt = now
            if mustStore { put(endpoint) } else { endpoints[id] = endpoint }
        } else {
            endpoint.failures += 1
            put(endpoint)
        }
    }

    /// Disables the endpoint of a failed delivery if no delivery to it succeeded during the attempts.
    mutating func disableIfDead(_ id: String, _ delivery: WebhookDelivery, now: Int) {
        guard let endpoint = endpoints[id], let began = delivery.roundBeganAt, endpoint.lastSuccessAt.map({ $0 < began }) ?? true
        else { return }
        let word = delivery.attempts.last?.error ?? "unknown"
        disable(
            id,
            reason: "No attempt succeeded in \((now - began) / 1000) s: \(endpoint.failures) failed, the last one with \(word).",
            now: now)
    }
}
