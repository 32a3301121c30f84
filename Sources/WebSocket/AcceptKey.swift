import Bytes
import Digests

/// The proof that the server understood the handshake, RFC 6455 §4.2.2 step 5.4.
enum AcceptKey {
    static let nonceByteCount = 16
    private static let guid: StaticString = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

    /// The `Sec-WebSocket-Accept` value for a `Sec-WebSocket-Key`; nil if libcrypto refuses SHA-1.
    static func accepting(_ key: String) -> String? {
        var text = ByteBuffer()
        text.append(key)
        text.append(guid)
        return withUnsafeTemporaryAllocation(byteCount: SHA1.byteCount, alignment: 4) { digest in
            guard SHA1.digest(text.bytes, into: digest) else { return nil }
            return Base64.encode(UnsafeRawBufferPointer(digest))
        }
    }

    /// Whether a key is base64 of 16 bytes, §4.1 item 7.
    static func isNonce(_ key: String) -> Bool {
        (try? Base64.decode(key))?.count == nonceByteCount
    }
}
