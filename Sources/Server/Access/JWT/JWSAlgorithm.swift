import JWTKit

/// Signatures that are taken (RFC 7518 §3.1).
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

    /// Its name on a key of a set; nil for the one that is never made by a key of a set.
    private var ofKey: JWK.Algorithm? {
        switch self {
        case .rs256: .rs256
        case .rs384: .rs384
        case .rs512: .rs512
        case .es256: .es256
        case .es384: .es384
        case .edDSA: .eddsa
        case .hs256: nil
        }
    }

    /// Whether a key of the kind signs so.
    private func suits(_ key: JWK) -> Bool {
        switch self {
        case .rs256, .rs384, .rs512: key.keyType == .rsa
        case .es256: key.keyType == .ecdsa && key.curve == .ecdsa(.p256)
        case .es384: key.keyType == .ecdsa && key.curve == .ecdsa(.p384)
        case .edDSA: key.keyType == .octetKeyPair && key.curve == .eddsa(.ed25519)
        case .hs256: false
        }
    }

    /// The key as one for this algorithm alone, its public half; nil if its kind cannot, or if it is for another.
    ///
    /// JWTKit lets a key without `alg` be used as the first token says, and holds all later tokens to that one.
    func key(of key: JWK) -> JWK? {
        guard let ofKey, suits(key), key.algorithm ?? ofKey == ofKey else { return nil }
        var key = key
        key.algorithm = ofKey
        key.privateExponent = nil
        key.prime1 = nil
        key.prime2 = nil
        return key
    }
}
