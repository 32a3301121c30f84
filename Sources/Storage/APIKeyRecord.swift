/// A key that lets somebody in, as it is kept: the digest of the secret, never the secret.
public struct APIKeyRecord: Sendable, Hashable {
    /// `key_…`: stays the same when the secret is changed.
    public var id: String
    /// SHA-256 of the secret.
    public var hash: [UInt8]
    /// SHA-256 of the secret before it was changed, which is still taken until ``previousUntil``.
    public var previousHash: [UInt8]?
    /// Seconds since 1970.
    public var previousUntil: Int?
    /// How the secret begins, for people to tell keys apart.
    public var hint: String
    /// What people call it.
    public var name: String
    /// Whom it stands for: owns what is made with it.
    public var owner: String
    /// Words with blanks between them.
    public var scopes: String
    /// Seconds since 1970, as all times here.
    public var createdAt: Int
    public var expiresAt: Int?
    public var revokedAt: Int?
    /// To the minute, near enough.
    public var lastUsedAt: Int?
    /// Limits of its own; nil for the server's.
    public var requestsPerMinute: Int?
    public var tokensPerMinute: Int?
    public var maxConcurrent: Int?
    /// How its clients are told of a cut, by the word of the faces; nil for the server's setting.
    public var cutAs: String?

    public init(id: String, hash: [UInt8], hint: String, name: String, owner: String, scopes: String, createdAt: Int) {
        self.id = id
        self.hash = hash
        self.hint = hint
        self.name = name
        self.owner = owner
        self.scopes = scopes
        self.createdAt = createdAt
    }

    /// Whether it lets anybody in at this time.
    public func isValid(at unixTime: Int) -> Bool { revokedAt == nil && (expiresAt.map { unixTime < $0 } ?? true) }
}
