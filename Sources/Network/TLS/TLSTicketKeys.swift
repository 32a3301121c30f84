import COpenSSL
import Glibc
import Synchronization

/// The keys of session tickets (RFC 5077 §4): stateless resumption. Keys rotate, so that a stolen key decrypts little; the previous
/// key still decrypts its tickets. Keys survive a reload of certificates.
package final class TLSTicketKeys: Sendable {
    /// How long a key encrypts new tickets. It decrypts them for as long again.
    package static let lifetime = Duration.seconds(12 * 3600)
    static let nameByteCount = 16

    package struct Key: Sendable {
        package let name: [UInt8]
        let cipher: [UInt8]
        let mac: [UInt8]
        let born: Instant
    }

    private let lifetime: Duration
    /// Newest first; at most two.
    private let keys = Mutex<[Key]>([])

    package init(lifetime: Duration = TLSTicketKeys.lifetime) { self.lifetime = lifetime }

    /// The key for a new ticket; nil if no random bytes are available.
    package func sealing(now: Instant = .monotonicNow) -> Key? {
        keys.withLock { keys in
            if let newest = keys.first, now - newest.born < lifetime { return newest }
            guard let key = Self.make(now) else { return nil }
            keys = [key] + keys.prefix(1)
            return key
        }
    }

    /// The key of a ticket, and whether it is the current one.
    package func opening(_ name: UnsafeRawBufferPointer, now: Instant = .monotonicNow) -> (key: Key, isCurrent: Bool)? {
        keys.withLock { keys in
            for key in keys where key.name.elementsEqual(name) && now - key.born < lifetime * 2 {
                return (key, now - key.born < lifetime)
            }
            return nil
        }
    }

    private static func make(_ now: Instant) -> Key? {
        // number-safe: a constant
        var bytes = [UInt8](repeating: 0, count: nameByteCount + 64)
        guard RAND_bytes(&bytes, Int32(bytes.count)) == 1 else { return nil }
        return Key(
            name: Array(bytes[..<nameByteCount]), cipher: Array(bytes[nameByteCount..<(nameByteCount + 32)]),
            mac: Array(bytes[(nameByteCount + 32)...]), born: now)
    }

    /// OpenSSL's callback: prepares cipher and MAC of a ticket. 1: continue; 2: continue and issue a new ticket; 0: no such key.
    func prepare(
        name: UnsafeMutablePointer<UInt8>, vector: UnsafeMutablePointer<UInt8>, cipher: OpaquePointer, mac: OpaquePointer,
        isSealing: Bool
    ) -> Int32 {
        if isSealing {
            guard let key = sealing(), RAND_bytes(vector, 16) == 1 else { return -1 }
            name.update(from: key.name, count: Self.nameByteCount)
            return Self.set(key, vector, cipher, mac, isSealing: true) ? 1 : -1
        }
        guard let (key, isCurrent) = opening(UnsafeRawBufferPointer(start: name, count: Self.nameByteCount)) else { return 0 }
        return Self.set(key, vector, cipher, mac, isSealing: false) ? isCurrent ? 1 : 2 : -1
    }

    private static func set(
        _ key: Key, _ vector: UnsafeMutablePointer<UInt8>, _ cipher: OpaquePointer, _ mac: OpaquePointer, isSealing: Bool
    ) -> Bool {
        var macKey = key.mac
        let isMACSet = "SHA256".withCString { digest in
            macKey.withUnsafeMutableBytes { bytes in
                var parameters = [
                    OSSL_PARAM_construct_octet_string(copenssl_mac_key_key(), bytes.baseAddress, bytes.count),
                    OSSL_PARAM_construct_utf8_string(copenssl_mac_digest_key(), UnsafeMutablePointer(mutating: digest), 0),
                    OSSL_PARAM_construct_end(),
                ]
                return EVP_MAC_CTX_set_params(mac, &parameters) == 1
            }
        }
        guard isMACSet else { return false }
        return
            (isSealing
            ? EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nil, key.cipher, vector)
            : EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nil, key.cipher, vector)) == 1
    }
}
