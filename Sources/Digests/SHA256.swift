import Bytes
import COpenSSL

/// SHA-256 (FIPS 180-4) by libcrypto.
package enum SHA256 {
    package static let byteCount = 32

    package static func digest(_ text: String) -> [UInt8] {
        var text = text
        return text.withUTF8 { digest(UnsafeRawBufferPointer($0)) }
    }

    /// - Returns: 32 bytes; empty, and so unequal to any digest, if libcrypto refuses SHA-256.
    package static func digest(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: byteCount) { digest, count in
            count = EVP_Digest(bytes.baseAddress, bytes.count, digest.baseAddress, nil, EVP_sha256(), nil) == 1 ? byteCount : 0
        }
    }

    /// Incremental hashing.
    package final class Running {
        private let context: OpaquePointer?

        package init() {
            context = EVP_MD_CTX_new()
            EVP_DigestInit_ex(context, EVP_sha256(), nil)
        }

        deinit { EVP_MD_CTX_free(context) }

        package func append(_ bytes: UnsafeRawBufferPointer) { EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) }

        /// The digest of all appended bytes. Call it once, last.
        package func finish() -> [UInt8] {
            [UInt8](unsafeUninitializedCapacity: SHA256.byteCount) { digest, count in
                count = EVP_DigestFinal_ex(context, digest.baseAddress, nil) == 1 ? SHA256.byteCount : 0
            }
        }
    }
}

/// HMAC with SHA-256 (RFC 2104) by libcrypto.
package enum HMACSHA256 {
    /// - Returns: the 32-byte code; nil if libcrypto fails: out of memory, or SHA-256 disabled by policy.
    package static func code(of message: [UInt8], key: [UInt8]) -> [UInt8]? {
        var count = 0
        let code = [UInt8](unsafeUninitializedCapacity: SHA256.byteCount) { room, initialized in
            let made = EVP_Q_mac(
                nil, "HMAC", nil, "SHA256", nil, key, key.count, message, message.count, room.baseAddress, room.count, &count)
            initialized = made == nil ? 0 : count
        }
        return code.count == SHA256.byteCount ? code : nil
    }

    /// Verifies a code in constant time.
    package static func isCode(_ code: [UInt8], of message: [UInt8], key: [UInt8]) -> Bool {
        self.code(of: message, key: key).map { $0.isEqualInConstantTime(to: code) } ?? false
    }
}
