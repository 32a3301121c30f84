import COpenSSL

/// SHA-1, only for the WebSocket handshake (RFC 6455 §4.2.2), which does not depend on its security.
package enum SHA1 {
    package static let byteCount = 20

    /// - Parameter digest: receives ``byteCount`` bytes.
    /// - Returns: false when libcrypto refuses SHA-1.
    package static func digest(_ bytes: UnsafeRawBufferPointer, into digest: UnsafeMutableRawBufferPointer) -> Bool {
        guard digest.count >= byteCount, let target = digest.bindMemory(to: UInt8.self).baseAddress else { return false }
        return EVP_Digest(bytes.baseAddress, bytes.count, target, nil, EVP_sha1(), nil) == 1
    }
}
