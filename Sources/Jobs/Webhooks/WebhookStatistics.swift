/// Metrics since the start.
package struct WebhookStatistics: Sendable {
    /// By result.
    package var attempts: [String: UInt64]
    /// Deliveries waiting or in flight.
    package var pending: Int
    package var inFlight: Int
    /// Deliveries displaced by newer ones.
    package var dropped: UInt64
    package var enabledEndpoints: Int
    package var disabledEndpoints: Int
}

/// An endpoint, and its pending deliveries.
package struct WebhookEndpointStatus: Sendable {
    package let endpoint: WebhookEndpoint
    package let pendingCount: Int

    package init(_ endpoint: WebhookEndpoint, pendingCount: Int = 0) {
        self.endpoint = endpoint
        self.pendingCount = pendingCount
    }
}

/// Why a call on webhooks failed.
package enum WebhookError: Error, Sendable, Hashable {
    /// No such endpoint of this owner.
    case endpointNotFound
    /// Unknown event: another owner's, for no endpoint, or expired.
    case eventNotFound
    case tooManyEndpoints
    case tooManyTests
    /// The receiver did not answer a sample; `word` is the reason.
    case noAnswer(word: String)
    /// The store refused the change.
    case notCommitted
}
