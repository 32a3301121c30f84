import Bytes
import COpenSSL
import Digests
import JSON

/// A key that verifies signatures of one algorithm (RFC 7515), through libcrypto.
///
/// `@unchecked`: nothing changes after `init`, and libcrypto may verify with one key on several threads.
final class JWSKey: @unchecked Sendable {
    /// Size of a modulus in bits: at least that of RFC 7518 §3.3, and at most what an untrusted server may make us compute.
    private static let modulusBits = Int32(2048)...8192

    private enum Material {
        case publicKey(OpaquePointer)
        case secret([UInt8])
    }

    private let algorithm: JWSAlgorithm
    private let material: Material

    /// An HS256 secret.
    init(secret: String) {
        algorithm = .hs256
        material = .secret(Array(secret.utf8))
    }

    /// - Parameter key: a JWK (RFC 7517 §4), of which only the public half is read.
    /// - Returns: nil if it is for another algorithm, too weak, malformed, or not on its curve.
    init?(_ key: JSONObject, for algorithm: JWSAlgorithm) {
        if let named = key["alg"], named.string != algorithm.rawValue { return nil }
        let made: OpaquePointer?
        switch (algorithm.keyKind, key["kty"]?.string) {
        case (.rsa, "RSA"): made = Self.rsa(key)
        case (.elliptic(let curve, let byteCount), "EC"):
            made = key["crv"]?.string == curve ? Self.elliptic(key, curve, byteCount) : nil
        case (.ed25519, "OKP"): made = key["crv"]?.string == "Ed25519" ? Self.ed25519(key) : nil
        default: made = nil
        }
        guard let made else {
            ERR_clear_error()
            return nil
        }
        self.algorithm = algorithm
        material = .publicKey(made)
    }

    deinit { if case .publicKey(let key) = material { EVP_PKEY_free(key) } }

    // MARK: Creation

    private static func bytes(_ key: JSONObject, _ name: String) -> [UInt8]? { key[name]?.string.flatMap(Base64URL.decode) }

    private static func rsa(_ key: JSONObject) -> OpaquePointer? {
        guard let modulus = bytes(key, "n"), let exponent = bytes(key, "e"),
            modulus.count <= Int(modulusBits.upperBound) / 8 + 1, (1...8).contains(exponent.count),
            let n = BN_bin2bn(modulus, Int32(modulus.count), nil)
        else { return nil }
        defer { BN_free(n) }
        guard let e = BN_bin2bn(exponent, Int32(exponent.count), nil) else { return nil }
        defer { BN_free(e) }
        guard
            let made = make(
                "RSA",
                { parameters in
                    OSSL_PARAM_BLD_push_BN(parameters, copenssl_rsa_n(), n) == 1
                        && OSSL_PARAM_BLD_push_BN(parameters, copenssl_rsa_e(), e) == 1
                })
        else { return nil }
        if modulusBits.contains(EVP_PKEY_get_bits(made)) { return made }
        EVP_PKEY_free(made)
        return nil
    }

    /// libcrypto refuses a point that is not on the curve.
    private static func elliptic(_ key: JSONObject, _ curve: String, _ byteCount: Int) -> OpaquePointer? {
        guard let x = bytes(key, "x"), let y = bytes(key, "y"), x.count == byteCount, y.count == byteCount else { return nil }
        // SEC 1 §2.3.3: uncompressed.
        let point = [4] + x + y
        return make("EC") { parameters in
            OSSL_PARAM_BLD_push_utf8_string(parameters, copenssl_group_name(), curve, 0) == 1
                && OSSL_PARAM_BLD_push_octet_string(parameters, copenssl_public_key(), point, point.count) == 1
        }
    }

    private static func ed25519(_ key: JSONObject) -> OpaquePointer? {
        guard let x = bytes(key, "x"), x.count == 32 else { return nil }
        return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, x, x.count)
    }

    private static func make(_ type: String, _ fill: (OpaquePointer) -> Bool) -> OpaquePointer? {
        guard let builder = OSSL_PARAM_BLD_new() else { return nil }
        defer { OSSL_PARAM_BLD_free(builder) }
        guard fill(builder), let parameters = OSSL_PARAM_BLD_to_param(builder) else { return nil }
        defer { OSSL_PARAM_free(parameters) }
        guard let context = EVP_PKEY_CTX_new_from_name(nil, type, nil) else { return nil }
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        guard EVP_PKEY_fromdata_init(context) == 1, EVP_PKEY_fromdata(context, &key, copenssl_selects_public_key(), parameters) == 1
        else {
            return nil
        }
        return key
    }

    private static func number(_ octets: ArraySlice<UInt8>) -> OpaquePointer? {
        octets.withUnsafeBufferPointer { BN_bin2bn($0.baseAddress, Int32(clamping: $0.count), nil) }
    }

    // MARK: Verification

    /// Whether the key made the signature of the message.
    func verifies(_ signature: [UInt8], of message: [UInt8]) -> Bool {
        switch material {
        case .secret(let secret): HMACSHA256.isCode(signature, of: message, key: secret)
        case .publicKey(let key): verifies(signature, of: message, by: key)
        }
    }

    private func verifies(_ signature: [UInt8], of message: [UInt8], by key: OpaquePointer) -> Bool {
        defer { ERR_clear_error() }
        guard let signature = encoded(signature), let context = EVP_MD_CTX_new() else { return false }
        defer { EVP_MD_CTX_free(context) }
        return EVP_DigestVerifyInit(context, nil, digest, nil, key) == 1
            && EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
    }

    /// Nil for Ed25519, which includes the digest.
    private var digest: OpaquePointer? {
        switch algorithm {
        case .rs256, .es256, .hs256: EVP_sha256()
        case .rs384, .es384: EVP_sha384()
        case .rs512: EVP_sha512()
        case .edDSA: nil
        }
    }

    /// The signature as libcrypto expects it: an elliptic curve's two numbers as a DER sequence, where a token has them side by
    /// side (RFC 7518 §3.4).
    private func encoded(_ signature: [UInt8]) -> [UInt8]? {
        guard case .elliptic(_, let byteCount) = algorithm.keyKind else { return signature }
        guard signature.count == 2 * byteCount, let pair = ECDSA_SIG_new() else { return nil }
        defer { ECDSA_SIG_free(pair) }
        let (r, s) = (Self.number(signature[..<byteCount]), Self.number(signature[byteCount...]))
        guard ECDSA_SIG_set0(pair, r, s) == 1 else {
            BN_free(r)
            BN_free(s)
            return nil
        }
        var text: UnsafeMutablePointer<UInt8>?
        let count = i2d_ECDSA_SIG(pair, &text)
        guard count > 0, let text else { return nil }
        defer { copenssl_free(text) }
        return Array(UnsafeBufferPointer(start: text, count: Int(count)))
    }
}
