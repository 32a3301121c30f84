public import Sessions

/// The operator's settings for authentication and rate limits.
public struct AccessSettings: Sendable {
    /// A key in the settings, and the principal that it authenticates.
    public struct Principal: Sendable, Hashable {
        /// Name of the principal; owns the sessions created with the key.
        public var name: String
        /// The secret that clients send.
        public var key: String

        /// A principal with its key.
        public init(name: String, key: String) {
            self.name = name
            self.key = key
        }
    }

    /// Keys in the settings. Without any, nor a stored key or ``jwt``, every caller is the same principal.
    public var principals: [Principal] = []
    /// Whether clients need a key even while none exists.
    public var requiresKey = false
    /// Limits of keys without limits of their own.
    public var keyLimits = RateLimits()
    /// How clients are told of an interrupted response if neither the request nor the key says.
    public var cutForm = CutForm.native
    /// The issuer whose JSON Web Tokens are accepted; nil for none.
    public var jwt: JWTSettings?
    /// Wrong keys accepted from one address a minute, also as a burst; 0 for no limit.
    public var failedAttemptsPerMinute = 60
    /// Protects metrics and the list of connections. Nil opens them to all if the server has no keys and is reachable from this
    /// machine only; otherwise they are closed.
    public var operatorKey: String?

    /// The defaults: no keys, no limits.
    public init() {}
}
