import Bytes
import Glibc
package import Network

/// Notifies endpoints of ended work by signed HTTP requests. See `Protocols/webhooks.md`.
///
/// Producers call ``hold(type:owner:objectID:isBackground:awaitsEnd:)`` from any thread. That call submits the event to the store,
/// ahead of later writes of the same iteration. The event is delivered at least once, after it and the end of its object are
/// committed.
public final class Webhooks: JobEventSink {
    package let settings: WebhookSettings
    private let registry: WebhookRegistry
    private let store: (any WebhookStore)?
    private let dispatcher: LoopBound<WebhookDispatcher>

    private init(
        settings: WebhookSettings, registry: WebhookRegistry, store: (any WebhookStore)?, dispatcher: LoopBound<WebhookDispatcher>
    ) {
        self.settings = settings
        self.registry = registry
        self.store = store
        self.dispatcher = dispatcher
    }

    /// Loads the stored state, and continues its deliveries on a loop.
    /// - Parameter store: nil to have webhooks in memory only.
    package static func start(_ settings: WebhookSettings, store: (any WebhookStore)?, on loop: EventLoop) async throws -> Webhooks
    {
        let snapshot = try await store?.loadWebhooks() ?? WebhookSnapshot()
        let registry = WebhookRegistry()
        let dispatcher = await withCheckedContinuation { continuation in
            loop.execute {
                let dispatcher = WebhookDispatcher(
                    loop: loop, settings: settings, store: store, registry: registry, snapshot: snapshot)
                continuation.resume(returning: LoopBound(dispatcher, on: loop))
            }
        }
        return Webhooks(settings: settings, registry: registry, store: store, dispatcher: dispatcher)
    }

    // MARK: Events

    public func emit(type: String, owner: String, objectID: String) {
        hold(type: type, owner: owner, objectID: objectID, isBackground: true, awaitsEnd: false)?.release()
    }

    /// Records an event. Thread-safe; cheap without endpoints.
    /// - Parameters:
    ///   - isBackground: whether the object continued without its client.
    ///   - awaitsEnd: whether the end of the object is yet to be committed.
    /// - Returns: the event, to be released once the end is committed; nil if no endpoint is interested.
    package func hold(type: String, owner: String, objectID: String, isBackground: Bool, awaitsEnd: Bool) -> HeldWebhook? {
        let now = Self.now
        let found = registry.receivers(owner: owner, isBackground: isBackground) {
            WebhookEvent(type: type, owner: owner, objectID: objectID, createdAt: now / 1000)
        }
        guard let found else { return nil }
        let deliveries = found.endpointIDs.map { WebhookDelivery(event: found.event, endpointID: $0, dueAt: now) }
        let dispatcher = dispatcher
        let webhook = HeldWebhook { dispatcher.loop.execute { dispatcher.value.admit(deliveries) } }
        guard let store else {
            webhook.written()
            return webhook
        }
        let changes = deliveries.map { delivery in
            var added = delivery
            added.awaitsEnd = awaitsEnd
            return WebhookChange.add(added)
        }
        store.writeWebhooks(changes) { _ in webhook.written() }
        return webhook
    }

    /// Milliseconds since 1970.
    private static var now: Int { SystemClock.unixNanoseconds / 1_000_000 }

    // MARK: Shutdown

    private static let pollInterval = Duration.milliseconds(10)

    /// Waits for deliveries that are due or in flight, then starts no further ones. With a store, the rest continues after the next
    /// start.
    package func stop(within timeout: Duration) async {
        let deadline = ContinuousClock.now + timeout
        while await !dispatcher.call({ $0.isAtRest }), ContinuousClock.now < deadline {
            try? await Task.sleep(for: Self.pollInterval)
        }
        await dispatcher.call { $0.stop() }
    }

    // MARK: API

    /// Creates an endpoint with a new secret.
    package func create(
        owner: String, name: String, url: String, eventTypes: [String], responses: WebhookEndpoint.Responses
    ) async -> Result<WebhookEndpoint, WebhookError> {
        let id = "we_" + WebhookEvent.digest(of: WebhookSecret.random().text)
        let endpoint = WebhookEndpoint(
            id: id, owner: owner, name: name, url: url, eventTypes: eventTypes, responses: responses,
            secrets: WebhookSecrets(.random()), createdAt: Self.now / 1000)
        return await ask { $0.create(endpoint, then: $1) }
    }

    /// The owner's endpoints, newest first.
    package func list(owner: String) async -> [WebhookEndpointStatus] {
        await dispatcher.call { dispatcher in dispatcher.ledger.endpoints(owner: owner).map { dispatcher.status($0) } }
    }

    /// An endpoint; nil if it is not the owner's.
    package func status(_ id: String, owner: String) async -> WebhookEndpointStatus? {
        await dispatcher.call { dispatcher in dispatcher.endpoint(id, owner: owner).map { dispatcher.status($0) } }
    }

    /// Changes an endpoint of the owner.
    package func update(
        _ id: String, owner: String, _ change: @escaping @Sendable (inout WebhookEndpoint) -> Void
    ) async -> Result<WebhookEndpoint, WebhookError> {
        await ask { $0.update(id, owner: owner, change, then: $1) }
    }

    /// Validity of the old secret after a rotation, in seconds.
    package static let oldSecretSeconds = 86_400

    /// Replaces the secret of an endpoint.
    /// - Parameter keepsOld: whether the old secret remains valid for ``oldSecretSeconds``.
    package func rotateSecret(_ id: String, owner: String, keepsOld: Bool) async -> Result<WebhookEndpoint, WebhookError> {
        let end = keepsOld ? (Self.now / 1000).saturatingAdding(Self.oldSecretSeconds) : nil
        return await update(id, owner: owner) { $0.secrets.rotate(to: .random(), retainingOldUntil: end) }
    }

    /// Removes an endpoint and its deliveries.
    package func remove(_ id: String, owner: String) async -> Result<String, WebhookError> {
        await ask { $0.remove(id, owner: owner, then: $1) }
    }

    /// Sends a sample to an endpoint.
    /// - Returns: the receiver's HTTP status.
    package func test(_ id: String, owner: String, type: String) async -> Result<Int, WebhookError> {
        await ask { $0.test(id, owner: owner, type: type, then: $1) }
    }

    /// The deliveries of an endpoint, newest first; nil if it is not the owner's.
    package func deliveries(_ id: String, owner: String, limit: Int) async -> [WebhookDelivery]? {
        await dispatcher.call { dispatcher in
            dispatcher.endpoint(id, owner: owner).map { dispatcher.ledger.deliveries(endpointID: $0.id, limit: limit) }
        }
    }

    /// Delivers an event again.
    /// - Returns: the number of endpoints.
    package func redeliver(eventID: String, owner: String, endpointID: String?) async -> Result<Int, WebhookError> {
        await ask { $0.redeliver(eventID: eventID, owner: owner, endpointID: endpointID, then: $1) }
    }

    /// The current counters and gauges.
    package func statistics() async -> WebhookStatistics { await dispatcher.call { $0.statistics } }

    private func ask<Answer: Sendable>(
        _ body: @escaping @Sendable (WebhookDispatcher, @escaping @Sendable (Answer) -> Void) -> Void
    ) async -> Answer {
        await withCheckedContinuation { continuation in
            dispatcher.run { body($0) { continuation.resume(returning: $0) } }
        }
    }
}
