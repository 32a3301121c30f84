import COpenSSL

/// The cipher suites of TLS 1.3 whose records we protect (RFC 8446 §B.4). The raw value is the suite's number.
package enum TLSSuite: UInt16, Sendable, CaseIterable {
    case aes128GCM = 0x1301
    case aes256GCM = 0x1302
    case chacha20Poly1305 = 0x1303

    /// The suite of a connection; nil when it is none of these.
    static func of(_ ssl: OpaquePointer) -> TLSSuite? {
        SSL_get_current_cipher(ssl).flatMap { TLSSuite(rawValue: SSL_CIPHER_get_protocol_id($0)) }
    }

    var keyByteCount: Int { self == .aes128GCM ? 16 : 32 }
    var hashName: String { self == .aes256GCM ? "SHA384" : "SHA256" }

    /// OpenSSL's cipher, fetched once: OpenSSL 3 would search its providers each time.
    var cipher: OpaquePointer? {
        switch self {
        case .aes128GCM: Ciphers.shared.aes128
        case .aes256GCM: Ciphers.shared.aes256
        case .chacha20Poly1305: Ciphers.shared.chacha20
        }
    }

    private struct Ciphers: @unchecked Sendable {
        static let shared = Ciphers()
        let aes128 = EVP_CIPHER_fetch(nil, "AES-128-GCM", nil)
        let aes256 = EVP_CIPHER_fetch(nil, "AES-256-GCM", nil)
        let chacha20 = EVP_CIPHER_fetch(nil, "ChaCha20-Poly1305", nil)
    }
}
