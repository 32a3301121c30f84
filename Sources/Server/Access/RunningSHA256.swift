import COpenSSL

/// SHA-256 by libcrypto of bytes that come in pieces.
final class RunningSHA256 {
    private let context: OpaquePointer?

    init() {
        context = EVP_MD_CTX_new()
        EVP_DigestInit_ex(context, EVP_sha256(), nil)
    }

    deinit { EVP_MD_CTX_free(context) }

    func append(_ bytes: UnsafeRawBufferPointer) { EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) }

    /// The digest of all that was appended; nothing may be after it.
    func finish() -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: SHA256.byteCount) { digest, count in
            // It fails only where libcrypto has no SHA-256; the digest of nothing then equals none.
            count = EVP_DigestFinal_ex(context, digest.baseAddress, nil) == 1 ? SHA256.byteCount : 0
        }
    }
}
