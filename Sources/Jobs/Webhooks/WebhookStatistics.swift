/// For metrics: all since the start.
package struct WebhookStatistics: Sendable {
    /// By result.
    package var attempts: [String: UInt64]
    /// Deliveries that wait or are under way.
    package var pending: Int
    package var inFlight: Int
    /// Deliveries pushed out by newer ones.
    package var dropped: UInt64
    package var enabledEndpoints: Int
    package var disabledEndpoints: Int
}

/// An endpoint, and what waits for it.
package struct WebhookEndpointStatus: Sendable {
    package let endpoint: WebhookEndpoint
    package let pendingCount: Int

    package init(_ endpoint: WebhookEndpoint, pendingCount: Int = 0) {
        self.endpoint = endpoint
        self.pendingCount = pendingCount
    }
}

/// Why a command about webhooks was not carried out.
package enum WebhookError: Error, Sendable, Hashable {
    /// There is none with this id, or it is another owner's.
    case endpointNotFound
    /// Nothing is known of the event: it is another owner's, was for no endpoint, or is forgotten.
    case eventNotFound
    case tooManyEndpoints
    case tooManyTests
    /// The receiver gave no answer to a sample; in a word.
    case noAnswer(word: String)
    /// The store refused it.
    case notKept
}
