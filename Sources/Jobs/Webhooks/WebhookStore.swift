/// Persistence of webhooks. Implemented by the storage layer.
package protocol WebhookStore: Sendable {
    /// All stored endpoints and deliveries. Discards deliveries that await an end (``WebhookDelivery/awaitsEnd``) which was not
    /// committed: their object continues, and is reported when it ends.
    func loadWebhooks() async throws -> WebhookSnapshot
    /// Applies the changes atomically.
    ///
    /// Changes are applied in call order, and after everything submitted to the store before: an event written in the iteration in
    /// which its response ends is never committed later than that end.
    /// - Parameter then: called on any thread, with true once committed, false if they cannot be applied.
    func writeWebhooks(_ changes: [WebhookChange], then: @escaping @Sendable (Bool) -> Void)
}

package struct WebhookSnapshot: Sendable {
    package var endpoints: [WebhookEndpoint]
    /// Oldest first.
    package var deliveries: [WebhookDelivery]

    package init(endpoints: [WebhookEndpoint] = [], deliveries: [WebhookDelivery] = []) {
        self.endpoints = endpoints
        self.deliveries = deliveries
    }
}

package enum WebhookChange: Sendable {
    case put(WebhookEndpoint)
    /// Including its deliveries.
    case removeEndpoint(id: String)
    /// Adds a delivery; no effect if it exists from before a crash.
    case add(WebhookDelivery)
    case update(WebhookDelivery)
    case remove(WebhookDelivery.Key)
}
