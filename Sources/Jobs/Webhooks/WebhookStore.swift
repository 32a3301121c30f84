/// Where webhooks outlive the process. Implemented by the storage layer.
package protocol WebhookStore: Sendable {
    /// All that is kept, without those that await an end (``WebhookDelivery/awaitsEnd``) which never came to the disk: they are
    /// forgotten, since what they told of goes on, and is told of when it has ended.
    func loadWebhooks() async throws -> WebhookSnapshot
    /// Makes the changes, all together.
    ///
    /// Changes are made in the order of the calls, and after what was submitted to the store before: an event that is noted in the
    /// turn in which its response ends is never durable later than that end.
    /// - Parameter then: called on any thread: whether they are durable. False: they cannot be made at all.
    func writeWebhooks(_ changes: [WebhookChange], then: @escaping @Sendable (Bool) -> Void)
}

package struct WebhookSnapshot: Sendable {
    package var endpoints: [WebhookEndpoint]
    /// The oldest first.
    package var deliveries: [WebhookDelivery]

    package init(endpoints: [WebhookEndpoint] = [], deliveries: [WebhookDelivery] = []) {
        self.endpoints = endpoints
        self.deliveries = deliveries
    }
}

package enum WebhookChange: Sendable {
    case put(WebhookEndpoint)
    /// With its deliveries.
    case removeEndpoint(id: String)
    /// A delivery that may be there already, from before a crash: then nothing changes.
    case add(WebhookDelivery)
    case update(WebhookDelivery)
    case remove(WebhookDelivery.Key)
}
