/// Accepted signature algorithms (RFC 7518 §3.1, RFC 8037 §3.1).
///
/// Those of key pairs, and HS256 with a secret of its own. All others are refused, whatever the keys support: `none`, and HS384 and
/// HS512, for which no setting has a secret.
enum JWSAlgorithm: String, Sendable, CaseIterable {
    case rs256 = "RS256"
    case rs384 = "RS384"
    case rs512 = "RS512"
    case es256 = "ES256"
    case es384 = "ES384"
    case edDSA = "EdDSA"
    case hs256 = "HS256"

    /// The kind of public key that verifies it (RFC 7518 §6.1).
    enum KeyKind: Sendable, Hashable {
        case rsa
        /// - Parameters:
        ///   - curve: the curve's name, the same in JWK and libcrypto.
        ///   - byteCount: size of a coordinate, and of each half of a signature.
        case elliptic(curve: String, byteCount: Int)
        case ed25519
        /// Not a key of a set: a secret in the settings.
        case secret
    }

    var keyKind: KeyKind {
        switch self {
        case .rs256, .rs384, .rs512: .rsa
        case .es256: .elliptic(curve: "P-256", byteCount: 32)
        case .es384: .elliptic(curve: "P-384", byteCount: 48)
        case .edDSA: .ed25519
        case .hs256: .secret
        }
    }
}
