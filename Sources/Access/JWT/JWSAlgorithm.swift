/// Signatures that are taken (RFC 7518 §3.1, RFC 8037 §3.1).
///
/// Those of key pairs, and HS256 by a secret of its own. What is not here is refused whatever the keys could do: `none`, and
/// HS384 and HS512, for which no setting has a secret.
enum JWSAlgorithm: String, Sendable, CaseIterable {
    case rs256 = "RS256"
    case rs384 = "RS384"
    case rs512 = "RS512"
    case es256 = "ES256"
    case es384 = "ES384"
    case edDSA = "EdDSA"
    case hs256 = "HS256"

    /// Which public keys make it (RFC 7518 §6.1).
    enum KeyKind: Sendable, Hashable {
        case rsa
        /// - Parameters:
        ///   - curve: as JWK and libcrypto alike call it.
        ///   - byteCount: of a coordinate, and of each half of a signature.
        case elliptic(curve: String, byteCount: Int)
        case ed25519
        /// No key of a set: a secret of the settings.
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
