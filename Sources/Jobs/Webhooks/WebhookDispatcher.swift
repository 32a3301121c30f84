import Bytes
import Glibc
import Logging
import Network

/// Performs the attempts of the ledger, and stores its changes. Loop-confined.
final class WebhookDispatcher {
    private let loop: EventLoop
    private let settings: WebhookSettings
    private let store: (any WebhookStore)?
    private let registry: WebhookRegistry
    private(set) var ledger: WebhookLedger
    /// Number of attempts, by result.
    private var attempts: [String: UInt64] = [:]
    private var timer: LoopTimer?
    /// Samples in flight, by owner.
    private var testsInFlight: [String: Int] = [:]
    private var isStopping = false
    private var retryTimer: LoopTimer?

    private static let sweepInterval = Duration.seconds(60)
    /// Longest sleep, since the clock may be set back.
    private static let maxSleepMilliseconds = 3_600_000
    /// Most samples in flight, in all and per owner.
    private static let maxTests = 64
    private static let maxTestsPerOwner = 4

    init(
        loop: EventLoop, settings: WebhookSettings, store: (any WebhookStore)?, registry: WebhookRegistry,
        snapshot: WebhookSnapshot
    ) {
        self.loop = loop
        self.settings = settings
        self.store = store
        self.registry = registry
        ledger = WebhookLedger(
            schedule: WebhookSchedule(base: settings.retryBase),
            retentionMilliseconds: Int(settings.retention.nanoseconds / 1_000_000))
        restore(snapshot)
        sweep()
    }

    /// Milliseconds since 1970.
    private static var now: Int { SystemClock.unixNanoseconds / 1_000_000 }

    // MARK: Life cycle

    private func restore(_ snapshot: WebhookSnapshot) {
        for endpoint in snapshot.endpoints { ledger.put(endpoint) }
        // Loaded endpoints and deliveries are stored already.
        _ = ledger.takeChanges()
        for setting in settings.endpoints {
            guard let secret = WebhookSecret(setting.secret) else { continue }
            ledger.put(
                WebhookEndpoint(
                    id: "we_" + WebhookEvent.digest(of: setting.url), owner: nil, name: "operator", url: setting.url,
                    eventTypes: WebhookEvent.types, responses: setting.hearsAllResponses ? .all : .background,
                    secrets: WebhookSecrets(secret), createdAt: Self.now / 1000))
        }
        for delivery in snapshot.deliveries { ledger.admit(delivery, isStored: true, now: Self.now) }
        save()
        pump()
    }

    /// Starts no further attempts. With a store, waiting deliveries continue after the next start.
    func stop() { isStopping = true }

    /// Whether no delivery is in flight or due.
    var isAtRest: Bool { ledger.inFlightCount == 0 && (ledger.nextDueAt.map { $0 > Self.now } ?? true) }

    // MARK: Attempts

    func admit(_ deliveries: [WebhookDelivery]) {
        for delivery in deliveries { ledger.admit(delivery, isStored: store != nil, now: Self.now) }
        save()
        pump()
    }

    private func sweep() {
        ledger.sweep(now: Self.now)
        save()
        loop.schedule(after: Self.sweepInterval) { [weak self] in self?.sweep() }
    }

    /// Stores the changes, and publishes them.
    /// - Parameter then: called on this loop once they are committed.
    private func save(then: (@Sendable (Bool) -> Void)? = nil) {
        if ledger.takeEndpointsHaveChanged() { registry.set(ledger.endpoints.values) }
        let changes = ledger.takeChanges()
        guard let store, !changes.isEmpty || then != nil else {
            then?(true)
            return
        }
        let loop = loop
        store.writeWebhooks(changes) { isCommitted in
            if !isCommitted { loop.logger.error("webhooks could not be stored: the latest changes are lost when the server stops") }
            if let then { loop.execute { then(isCommitted) } }
        }
    }

    private func pump() {
        timer?.cancel()
        timer = nil
        if isStopping { return }
        for delivery in ledger.startable(now: Self.now) { attempt(delivery) }
        guard let dueAt = ledger.nextDueAt else { return }
        timer = loop.schedule(after: .milliseconds(max(1, min(dueAt.saturatingSubtracting(Self.now), Self.maxSleepMilliseconds)))) {
            [weak self] in self?.pump()
        }
    }

    /// Schedules one retry for all deliveries that could not start.
    private func pumpLater() {
        if isStopping || retryTimer?.isPending == true { return }
        retryTimer = loop.schedule(after: .seconds(1)) { [weak self] in self?.pump() }
    }

    private func attempt(_ delivery: WebhookDelivery) {
        guard let endpoint = ledger.endpoints[delivery.endpointID] else { return }
        send(delivery.event, to: endpoint) { [weak self] attempt, outcome in
            guard let self else { return }
            if outcome.wasAbandoned {
                self.ledger.abandoned(delivery.key)
                // Unless the server stops, a file descriptor will be available soon.
                self.pumpLater()
                return
            }
            self.ledger.attempted(delivery.key, attempt, outcome.verdict, random: .random(in: 0..<1))
            self.tellIfDisabled(delivery.endpointID)
            self.save()
            self.pump()
        }
    }

    /// - Parameter done: called asynchronously.
    private func send(
        _ event: WebhookEvent, to endpoint: WebhookEndpoint,
        done: @escaping (WebhookDelivery.Attempt, WebhookTransfer.Outcome) -> Void
    ) {
        let began = Instant.monotonicNow
        let at = Self.now
        let finish = { [weak self] (outcome: WebhookTransfer.Outcome) in
            let attempt = WebhookDelivery.Attempt(
                at: at, milliseconds: Int((Instant.monotonicNow - began).nanoseconds / 1_000_000), status: outcome.status,
                error: outcome.error)
            if !outcome.wasAbandoned { self?.count(attempt, endpoint.id, event) }
            done(attempt, outcome)
        }
        // The URL was validated when the endpoint was created, possibly under other settings.
        let destinations: DestinationPolicy = settings.allowsPrivate ? .anywhere : .publicInternet
        let isAllowed = (try? WebhookURL(endpoint.url, allowsPrivate: settings.allowsPrivate)) != nil
        guard isAllowed,
            let request = WebhookTransfer.request(event, to: endpoint, unixTime: at / 1000, destinations: destinations)
        else {
            let word = isAllowed ? "not_signed" : "address_not_allowed"
            loop.schedule(after: .zero) { finish(WebhookTransfer.failure(word)) }
            return
        }
        loop.httpClient.start(WebhookTransfer(request, unixTime: at / 1000, done: finish))
    }

    private func count(_ attempt: WebhookDelivery.Attempt, _ endpointID: String, _ event: WebhookEvent) {
        attempts[attempt.error ?? "delivered", default: 0] += 1
        loop.logger.debug(
            "webhook attempt",
            metadata: [
                "endpoint": "\(endpointID)", "event": "\(event.id)", "type": "\(event.type)",
                "result": "\(attempt.error ?? "delivered")",
                "duration_ms": "\(attempt.milliseconds)",
            ])
    }

    private func tellIfDisabled(_ id: String) {
        guard let endpoint = ledger.endpoints[id], case .disabled(_, let reason) = endpoint.state else { return }
        loop.logger.warning("a webhook endpoint is disabled", metadata: ["endpoint": "\(id)", "reason": "\(reason)"])
    }

    // MARK: API

    func create(_ endpoint: WebhookEndpoint, then: @escaping @Sendable (Result<WebhookEndpoint, WebhookError>) -> Void) {
        guard let owner = endpoint.owner, ledger.endpoints(owner: owner).count < WebhookEndpoint.maxCount else {
            then(.failure(.tooManyEndpoints))
            return
        }
        ledger.put(endpoint)
        save { then($0 ? .success(endpoint) : .failure(.notCommitted)) }
    }

    /// The endpoint; nil if it is not the owner's.
    func endpoint(_ id: String, owner: String) -> WebhookEndpoint? {
        ledger.endpoints[id].flatMap { $0.owner == owner ? $0 : nil }
    }

    func status(_ endpoint: WebhookEndpoint) -> WebhookEndpointStatus {
        WebhookEndpointStatus(endpoint, pendingCount: ledger.pendingCount(endpointID: endpoint.id))
    }

    /// Changes an endpoint. An endpoint enabled again is sent a sample, to show its owner whether it works.
    func update(
        _ id: String, owner: String, _ change: @Sendable (inout WebhookEndpoint) -> Void,
        then: @escaping @Sendable (Result<WebhookEndpoint, WebhookError>) -> Void
    ) {
        guard let old = endpoint(id, owner: owner) else {
            then(.failure(.endpointNotFound))
            return
        }
        var new = old
        change(&new)
        if new != old {
            new.updatedAt = Self.now / 1000
            if new.isEnabled, !old.isEnabled { new.failures = 0 }
            ledger.put(new)
        }
        let updated = new
        save { then($0 ? .success(updated) : .failure(.notCommitted)) }
        if new.isEnabled, !old.isEnabled {
            test(id, owner: owner, type: new.eventTypes.first ?? WebhookEvent.types[0]) { _ in }
            pump()
        }
    }

    func remove(_ id: String, owner: String, then: @escaping @Sendable (Result<String, WebhookError>) -> Void) {
        guard endpoint(id, owner: owner) != nil else {
            then(.failure(.endpointNotFound))
            return
        }
        ledger.remove(id)
        save { then($0 ? .success(id) : .failure(.notCommitted)) }
    }

    /// Sends a sample immediately, and passes on the receiver's status.
    func test(
        _ id: String, owner: String, type: String, then: @escaping @Sendable (Result<Int, WebhookError>) -> Void
    ) {
        guard let endpoint = endpoint(id, owner: owner) else {
            then(.failure(.endpointNotFound))
            return
        }
        let own = testsInFlight[owner] ?? 0
        guard own < Self.maxTestsPerOwner, testsInFlight.values.reduce(0, +) < Self.maxTests else {
            then(.failure(.tooManyTests))
            return
        }
        testsInFlight[owner] = own + 1
        let event = WebhookEvent.sample(type: type, owner: owner, createdAt: Self.now / 1000)
        send(event, to: endpoint) { [weak self] attempt, outcome in
            if let self {
                let left = (self.testsInFlight[owner] ?? 1) - 1
                self.testsInFlight[owner] = left > 0 ? left : nil
                if !outcome.wasAbandoned {
                    self.ledger.tested(event, endpointID: id, attempt, outcome.verdict)
                    self.save()
                }
            }
            if let status = outcome.status {
                then(.success(status))
            } else {
                then(.failure(.noAnswer(word: outcome.error ?? "unknown")))
            }
        }
    }

    func redeliver(
        eventID: String, owner: String, endpointID: String?, then: @escaping @Sendable (Result<Int, WebhookError>) -> Void
    ) {
        let count = ledger.redeliver(eventID: eventID, owner: owner, endpointID: endpointID, now: Self.now)
        if count == 0 {
            then(.failure(.eventNotFound))
            return
        }
        save { then($0 ? .success(count) : .failure(.notCommitted)) }
        pump()
    }

    var statistics: WebhookStatistics {
        WebhookStatistics(
            attempts: attempts, pending: ledger.pendingCount, inFlight: ledger.inFlightCount, dropped: ledger.droppedCount,
            enabledEndpoints: ledger.endpoints.values.count { $0.isEnabled },
            disabledEndpoints: ledger.endpoints.values.count { !$0.isEnabled })
    }
}

extension WebhookEvent {
    /// A sample event, for tests of an endpoint.
    static func sample(type: String, owner: String, createdAt: Int) -> WebhookEvent {
        var generator = SystemRandomNumberGenerator()
        let word = digest(of: "\(generator.next())-\(generator.next())")
        return WebhookEvent(
            id: "evt_" + word, type: type, owner: owner, objectID: (type.hasPrefix("batch.") ? "batch_" : "resp_") + word,
            createdAt: createdAt, isTest: true)
    }
}
