/// Whose JSON Web Tokens let in.
public struct JWTSettings: Sendable, Hashable {
    /// Where the issuer's public keys are, as a JWK set (RFC 7517 §5).
    public enum KeySet: Sendable, Hashable {
        case file(String)
        /// https, or http of this machine.
        case url(String)
    }

    /// nil: only tokens that are signed with ``secret``.
    public var keySet: KeySet?
    /// What `iss` must be.
    public var issuer: String
    /// What `aud` must be or hold.
    public var audience: String
    /// The claim that tells the owner.
    public var ownerClaim = "sub"
    /// The claim that tells the scopes.
    public var scopeClaim = "scope"
    /// For tokens that are signed with HS256.
    public var secret: String?

    public init(keySet: KeySet?, issuer: String, audience: String) {
        self.keySet = keySet
        self.issuer = issuer
        self.audience = audience
    }
}
