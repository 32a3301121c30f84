import Bytes
import COpenSSL

/// The proof that the server understood the handshake, RFC 6455 §4.2.2 step 5.4.
enum AcceptKey {
    static let nonceByteCount = 16
    private static let guid: StaticString = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    private static let sha1ByteCount = 20

    /// The value of `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key`; nil when libcrypto refuses SHA-1.
    static func accepting(_ key: String) -> String? {
        var text = ByteBuffer()
        text.append(key)
        text.append(guid)
        return withUnsafeTemporaryAllocation(byteCount: sha1ByteCount, alignment: 4) { digest in
            guard let target = digest.bindMemory(to: UInt8.self).baseAddress,
                EVP_Digest(text.bytes.baseAddress, text.count, target, nil, EVP_sha1(), nil) == 1
            else { return nil }
            return Base64.encode(UnsafeRawBufferPointer(digest))
        }
    }

    /// Whether a key is the base64 of 16 bytes, §4.1 item 7.
    static func isNonce(_ key: String) -> Bool {
        (try? Base64.decode(key))?.count == nonceByteCount
    }
}
