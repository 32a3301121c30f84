import COpenSSL
import JSON

/// A public key of a JWK set (RFC 7517, RFC 7518 §6, RFC 8037), and what it may have signed.
final class JSONWebKey: @unchecked Sendable {
    /// Signatures that are taken. None without a key pair: `none` and HS* can never come by a key set.
    enum Algorithm: String, Sendable {
        case rs256 = "RS256"
        case rs384 = "RS384"
        case rs512 = "RS512"
        case es256 = "ES256"
        case es384 = "ES384"
        case edDSA = "EdDSA"
    }

    private enum Kind { case rsa, p256, p384, ed25519 }

    /// Shorter ones can be broken (NIST SP 800-131A).
    private static let minRSABits: Int32 = 2048

    let id: String?
    private let kind: Kind
    /// What the set says that it is for; nil: what its kind can do.
    private let algorithm: Algorithm?
    // Not changed after it is made, and libcrypto lets any thread read a key.
    private let key: OpaquePointer

    /// nil for a key that is not for signatures, or of a kind that is not known here: those are passed over (RFC 7517 §5).
    init?(_ json: JSONValue) {
        guard json["use"]?.string ?? "sig" == "sig" else { return nil }
        func number(_ name: String) -> [UInt8]? { json[name]?.string.flatMap(Base64URL.decode) }
        let info: [UInt8]
        switch (json["kty"]?.string, json["crv"]?.string) {
        case ("RSA", _):
            guard let modulus = number("n"), let exponent = number("e") else { return nil }
            kind = .rsa
            info = DER.sequence(
                DER.sequence(DER.identifier([0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01]), DER.null),
                DER.bits(DER.sequence(DER.integer(modulus), DER.integer(exponent))))
        case ("EC", "P-256"), ("EC", "P-384"):
            let isShort = json["crv"]?.string == "P-256"
            let size = isShort ? 32 : 48
            guard let x = number("x"), let y = number("y"), x.count == size, y.count == size else { return nil }
            kind = isShort ? .p256 : .p384
            let curve: [UInt8] = isShort ? [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07] : [0x2B, 0x81, 0x04, 0x00, 0x22]
            info = DER.sequence(
                DER.sequence(DER.identifier([0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01]), DER.identifier(curve)),
                DER.bits([4] + x + y))
        case ("OKP", "Ed25519"):
            guard let x = number("x"), x.count == 32 else { return nil }
            kind = .ed25519
            info = DER.sequence(DER.sequence(DER.identifier([0x2B, 0x65, 0x70])), DER.bits(x))
        default: return nil
        }
        if let name = json["alg"]?.string {
            guard let algorithm = Algorithm(rawValue: name) else { return nil }
            self.algorithm = algorithm
        } else {
            algorithm = nil
        }
        let decoded = info.withUnsafeBufferPointer { bytes in
            var next = bytes.baseAddress
            return d2i_PUBKEY(nil, &next, bytes.count)
        }
        // A point that is not on its curve is refused by libcrypto.
        guard let decoded else { return nil }
        key = decoded
        id = json["kid"]?.string
        if kind == .rsa, EVP_PKEY_get_bits(decoded) < Self.minRSABits { return nil }
    }

    deinit { EVP_PKEY_free(key) }

    /// Whether the key signs so.
    func fits(_ algorithm: Algorithm) -> Bool {
        if let own = self.algorithm, own != algorithm { return false }
        return switch algorithm {
        case .rs256, .rs384, .rs512: kind == .rsa
        case .es256: kind == .p256
        case .es384: kind == .p384
        case .edDSA: kind == .ed25519
        }
    }

    /// Whether the key's owner signed the message. - Parameter signature: as RFC 7518 §3 has it.
    func verifies(_ signature: [UInt8], of message: [UInt8], by algorithm: Algorithm) -> Bool {
        guard fits(algorithm) else { return false }
        var signature = signature
        let digest: OpaquePointer?
        switch algorithm {
        case .rs256: digest = EVP_sha256()
        case .rs384: digest = EVP_sha384()
        case .rs512: digest = EVP_sha512()
        case .es256, .es384:
            digest = algorithm == .es256 ? EVP_sha256() : EVP_sha384()
            // Two numbers of the curve's size side by side (§3.4); libcrypto wants them in DER.
            let size = algorithm == .es256 ? 32 : 48
            guard signature.count == 2 * size else { return false }
            signature = DER.sequence(DER.integer(signature.prefix(size)), DER.integer(signature.suffix(size)))
        case .edDSA: digest = nil
        }
        guard let context = EVP_MD_CTX_new() else { return false }
        defer { EVP_MD_CTX_free(context) }
        guard EVP_DigestVerifyInit(context, nil, digest, nil, key) == 1 else { return false }
        let isValid = EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
        // What went wrong is in the thread's queue, where TLS on this loop would find it.
        if !isValid { ERR_clear_error() }
        return isValid
    }

    /// The usable keys of a set; nil when the text is none.
    static func readSet(_ text: [UInt8]) -> [JSONWebKey]? {
        guard let keys = (try? JSONValue.parse(text))?["keys"]?.array else { return nil }
        return keys.compactMap { JSONWebKey($0) }
    }
}
