/// The operator's settings for webhooks.
public struct WebhookSettings: Sendable {
    /// An endpoint of the operator, notified of all owners' events.
    public struct Endpoint: Sendable, Hashable {
        public var url: String
        /// `whsec_` followed by base64, or any text of at least 16 bytes.
        public var secret: String
        /// Whether it is also notified of foreground responses.
        public var hearsAllResponses: Bool

        public init(url: String, secret: String, hearsAllResponses: Bool = false) {
            self.url = url
            self.secret = secret
            self.hearsAllResponses = hearsAllResponses
        }
    }

    /// The operator's endpoints.
    public var endpoints: [Endpoint] = []
    /// Whether deliveries may go to addresses that are not on the public Internet.
    public var allowsPrivate = false
    /// Delay after the first failed attempt; the others scale in proportion.
    public var retryBase = Duration.seconds(5)
    /// Retention of a finished delivery, for inspection and redelivery.
    public var retention = Duration.seconds(86_400)

    public init() {}
}
