/// Counters and gauges for metrics.
package struct WebhookStatistics: Sendable {
    /// Number of attempts, by result.
    package var attempts: [String: UInt64]
    /// Number of deliveries waiting or in flight.
    package var pending: Int
    /// Number of attempts in progress.
    package var inFlight: Int
    /// Number of deliveries dropped in favour of newer ones.
    package var dropped: UInt64
    package var enabledEndpoints: Int
    package var disabledEndpoints: Int
}

/// An endpoint and the number of its pending deliveries.
package struct WebhookEndpointStatus: Sendable {
    package let endpoint: WebhookEndpoint
    package let pendingCount: Int

    package init(_ endpoint: WebhookEndpoint, pendingCount: Int = 0) {
        self.endpoint = endpoint
        self.pendingCount = pendingCount
    }
}

/// An error of a call on webhooks.
package enum WebhookError: Error, Sendable, Hashable {
    /// No such endpoint of this owner.
    case endpointNotFound
    /// Unknown event: expired, another owner's, or of no interest to any endpoint.
    case eventNotFound
    case tooManyEndpoints
    case tooManyTests
    /// The receiver did not answer the sample; `word` is the reason.
    case noAnswer(word: String)
    /// The store could not commit the change.
    case notCommitted
}
