import DequeModule
import HeapModule

/// Who is to be told of what, and when: endpoints, deliveries, their order and their limits. No clock, no socket, no disk.
///
/// Each call leaves what is to be kept in ``takeChanges()``.
struct WebhookLedger {
    struct Limits {
        /// Attempts at one time: to one endpoint, to those of one owner, and in all. An owner who has none under way may begin one
        /// beyond the last, up to as many again: receivers that hang keep only their own owner waiting.
        var inFlightPerEndpoint = 4
        var inFlightPerOwner = 16
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
    enum Place { case waiting, ready, inFlight, over }

    struct Entry {
        var delivery: WebhookDelivery
        var place: Place
    }

    struct Due: Comparable {
        let at: Int
        let key: WebhookDelivery.Key

        static func < (left: Due, right: Due) -> Bool { left.at < right.at }
        static func == (left: Due, right: Due) -> Bool { left.at == right.at }
    }

    /// What one endpoint has before it.
    struct Lane {
        var ready: Deque<WebhookDelivery.Key> = []
        var inFlight = 0
        /// Over, in the order of their ends.
        var finished: Deque<WebhookDelivery.Key> = []
        /// Whether it stands in the rotation.
        var isInRotation = false
    }

    /// What one owner has before it.
    struct Share {
        /// Endpoints that have something ready, each once.
        var lanes: Deque<String> = []
        var inFlight = 0
        /// Whether it stands in the rotation.
        var isInRotation = false
    }

    let limits: Limits
    let schedule: WebhookSchedule
    let retentionMilliseconds: Int
    private(set) var endpoints: [String: WebhookEndpoint] = [:]
    /// In the order of their creation.
    private(set) var endpointOrder: [String] = []
    var entries: [WebhookDelivery.Key: Entry] = [:]
    var lanes: [String: Lane] = [:]
    var waiting = Heap<Due>()
    /// What each owner has ready, by ``share(of:)``.
    var shares: [String: Share] = [:]
    /// Owners that have something ready, each once: they take turns, and so do the endpoints of each.
    var rotation: Deque<String> = []
    /// By owner: what may wait, the oldest first; some of it is over meanwhile.
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
            if entry.place == .inFlight { leaveShare(of: endpoint) }
            if entry.place != .over { countPending(entry.delivery.event.owner, -1) }
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
