/// Persistence of webhooks. Implemented by the storage layer.
package protocol WebhookStore: Sendable {
    /// Loads all endpoints and deliveries. Discards deliveries that await an end (``WebhookDelivery/awaitsEnd``) that was not
    /// committed: their object continues, and is reported when it ends.
    func loadWebhooks() async throws -> WebhookSnapshot
    /// Applies the changes atomically.
    ///
    /// The order of the calls is preserved, also with respect to everything submitted to the store before: an event written in the
    /// iteration in which its response ends is never committed later than that end.
    /// - Parameter then: called on any thread; true once committed, false if the changes cannot be applied.
    func writeWebhooks(_ changes: [WebhookChange], then: @escaping @Sendable (Bool) -> Void)
}

/// All stored endpoints and deliveries.
package struct WebhookSnapshot: Sendable {
    package var endpoints: [WebhookEndpoint]
    /// Oldest first.
    package var deliveries: [WebhookDelivery]

    package init(endpoints: [WebhookEndpoint] = [], deliveries: [WebhookDelivery] = []) {
        self.endpoints = endpoints
        self.deliveries = deliveries
    }
}

/// A change to store.
package enum WebhookChange: Sendable {
    case put(WebhookEndpoint)
    /// Also removes its deliveries.
    case removeEndpoint(id: String)
    /// Adds a delivery; no effect if it was stored before a crash.
    case add(WebhookDelivery)
    case update(WebhookDelivery)
    case remove(WebhookDelivery.Key)
}
