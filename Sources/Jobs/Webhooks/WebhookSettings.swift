/// What an operator can set about webhooks.
public struct WebhookSettings: Sendable {
    /// An endpoint of the operator's own, told of what everybody does.
    public struct Endpoint: Sendable, Hashable {
        public var url: String
        /// `whsec_` and base64, or any text of at least 16 bytes.
        public var secret: String
        /// Told of foreground responses too.
        public var hearsAllResponses: Bool

        public init(url: String, secret: String, hearsAllResponses: Bool = false) {
            self.url = url
            self.secret = secret
            self.hearsAllResponses = hearsAllResponses
        }
    }

    public var endpoints: [Endpoint] = []
    /// Whether deliveries may go to addresses that are not on the public Internet.
    public var allowsPrivate = false
    /// The first wait after an attempt that failed; the further ones keep their proportion to it.
    public var retryBase = Duration.seconds(5)
    /// How long a delivery that is over is kept, to be looked at and sent again.
    public var retention = Duration.seconds(86_400)

    public init() {}
}
