/// The issuer whose JSON Web Tokens are accepted.
public struct JWTSettings: Sendable, Hashable {
    /// Location of the issuer's public keys, a JWK set (RFC 7517 §5).
    public enum KeySet: Sendable, Hashable {
        case file(String)
        /// https, or http on this machine.
        case url(String)
    }

    /// Nil to accept only tokens signed with ``secret``.
    public var keySet: KeySet?
    /// The required value of `iss`.
    public var issuer: String
    /// The value that `aud` must equal or contain.
    public var audience: String
    /// The claim with the owner.
    public var ownerClaim = "sub"
    /// The claim with the scopes.
    public var scopeClaim = "scope"
    /// The key of HS256 signatures; nil refuses them.
    public var secret: String?

    /// Settings without a secret.
    public init(keySet: KeySet?, issuer: String, audience: String) {
        self.keySet = keySet
        self.issuer = issuer
        self.audience = audience
    }
}
