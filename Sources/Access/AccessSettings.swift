public import Sessions

/// What an operator can set about who may call, and how much.
public struct AccessSettings: Sendable {
    /// A key of the settings, and the owner it stands for.
    public struct Principal: Sendable, Hashable {
        /// Owns the sessions that are made with the key.
        public var name: String
        public var key: String

        public init(name: String, key: String) {
            self.name = name
            self.key = key
        }
    }

    /// Keys of the settings. While there is none, nor a stored key or ``jwt``, every caller is one and the same principal.
    public var principals: [Principal] = []
    /// Whether nobody gets in without a key, also while there is none yet.
    public var requiresKey = false
    /// Limits of keys that have none of their own.
    public var keyLimits = RateLimits()
    /// How clients are told of a cut, where neither the request nor the key says.
    public var cutForm = CutForm.native
    /// The issuer whose JSON Web Tokens let in; nil: none.
    public var jwt: JWTSettings?
    /// Wrong keys of one address in a minute, and as many at once; 0: no limit.
    public var failedAttemptsPerMinute = 60
    /// Who may read metrics and connections; nil: everybody, if the server has no keys and only this machine reaches it, else
    /// nobody.
    public var operatorKey: String?

    public init() {}
}
