import COpenSSL

@testable import Access

/// A key of an issuer that signs with ES256, by libcrypto.
final class ES256Signer: @unchecked Sendable {
    private static let coordinateByteCount = 32
    private let key: OpaquePointer

    init() {
        let context = EVP_PKEY_CTX_new_from_name(nil, "EC", nil)
        defer { EVP_PKEY_CTX_free(context) }
        var made: OpaquePointer?
        guard EVP_PKEY_keygen_init(context) == 1, EVP_PKEY_CTX_set_group_name(context, "P-256") == 1,
            EVP_PKEY_generate(context, &made) == 1, let made
        else { fatalError("libcrypto makes no key of P-256") }
        key = made
    }

    deinit { EVP_PKEY_free(key) }

    /// Both coordinates of the public point in base64, as a JWK has them.
    var point: (x: String, y: String) {
        // SEC 1 §2.3.3: 4, then both.
        var octets = [UInt8](repeating: 0, count: 1 + 2 * Self.coordinateByteCount)
        var count = 0
        EVP_PKEY_get_octet_string_param(key, copenssl_public_key(), &octets, octets.count, &count)
        let (x, y) = (octets[1...Self.coordinateByteCount], octets[(1 + Self.coordinateByteCount)..<count])
        return (Base64URL.encode(Array(x)), Base64URL.encode(Array(y)))
    }

    /// The public key as a PEM file has it.
    var publicText: String {
        let bio = BIO_new(BIO_s_mem())
        defer { BIO_free(bio) }
        PEM_write_bio_PUBKEY(bio, key)
        var text: UnsafeMutablePointer<CChar>?
        let count = copenssl_memory_length(bio, &text)
        return String(decoding: UnsafeRawBufferPointer(start: text, count: count), as: UTF8.self)
    }

    /// Two numbers side by side (RFC 7518 §3.4).
    func sign(_ message: [UInt8]) -> [UInt8] {
        let context = EVP_MD_CTX_new()
        defer { EVP_MD_CTX_free(context) }
        var der = [UInt8](repeating: 0, count: 80)
        var count = der.count
        guard EVP_DigestSignInit(context, nil, EVP_sha256(), nil, key) == 1,
            EVP_DigestSign(context, &der, &count, message, message.count) == 1
        else { fatalError("libcrypto does not sign") }
        return der.withUnsafeBufferPointer { bytes in
            var start = bytes.baseAddress
            let pair = d2i_ECDSA_SIG(nil, &start, count)
            defer { ECDSA_SIG_free(pair) }
            return [ECDSA_SIG_get0_r(pair), ECDSA_SIG_get0_s(pair)].flatMap { number in
                var octets = [UInt8](repeating: 0, count: Self.coordinateByteCount)
                BN_bn2binpad(number, &octets, Int32(octets.count))
                return octets
            }
        }
    }
}
