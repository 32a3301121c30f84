/// An API key as it is stored: the digest of the secret, never the secret.
public struct APIKeyRecord: Sendable, Hashable {
    /// `key_…`; does not change with the secret.
    public var id: String
    /// SHA-256 of the secret.
    public var hash: [UInt8]
    /// SHA-256 of the previous secret, accepted until ``previousUntil``.
    public var previousHash: [UInt8]?
    /// Seconds since 1970.
    public var previousUntil: Int?
    /// The first characters of the secret, for people to tell keys apart.
    public var hint: String
    /// A label for people.
    public var name: String
    /// The principal that the key authenticates; owns the objects created with it.
    public var owner: String
    /// Scopes, separated by spaces.
    public var scopes: String
    /// Seconds since 1970, as all times of a key.
    public var createdAt: Int
    /// Seconds since 1970; nil for never.
    public var expiresAt: Int?
    /// Seconds since 1970; nil if the key is not revoked.
    public var revokedAt: Int?
    /// Precise to about a minute.
    public var lastUsedAt: Int?
    /// Limit on generations begun a minute; nil for the server's.
    public var requestsPerMinute: Int?
    /// Limit on input and output tokens a minute; nil for the server's.
    public var tokensPerMinute: Int?
    /// Limit on running and waiting generations; nil for the server's.
    public var maxConcurrent: Int?
    /// How the key's clients are told of an interrupted response, a raw value of `CutForm`; nil for the server's setting.
    public var cutAs: String?

    /// A key that does not expire, with the server's limits.
    public init(id: String, hash: [UInt8], hint: String, name: String, owner: String, scopes: String, createdAt: Int) {
        self.id = id
        self.hash = hash
        self.hint = hint
        self.name = name
        self.owner = owner
        self.scopes = scopes
        self.createdAt = createdAt
    }

    /// Whether clients can authenticate with the key at this time, in seconds since 1970.
    public func isValid(at unixTime: Int) -> Bool { revokedAt == nil && (expiresAt.map { unixTime < $0 } ?? true) }
}
