import COpenSSL
import Glibc

/// What a record carries (RFC 8446 §5.1).
package enum TLSContentType: UInt8 {
    case alert = 21
    case handshake = 22
    case applicationData = 23
}

/// Sizes of TLS 1.3's records (RFC 8446 §5.1, §5.2).
package enum TLSRecord {
    package static let headerByteCount = 5
    package static let tagByteCount = 16
    /// Header, type and tag.
    package static let overhead = headerByteCount + 1 + tagByteCount
    package static let maxContentByteCount = 16_384
    /// Of what stands behind the header.
    static let maxSealedByteCount = maxContentByteCount + 256
}

/// Seals or opens the records of one direction (RFC 8446 §5.2, §5.3). The cipher itself is OpenSSL's.
package struct TLSRecordCipher: ~Copyable {
    private let suite: TLSSuite
    private let seals: Bool
    private let secret: TLSSecret
    private let context: OpaquePointer
    private var vector: (UInt32, UInt32, UInt32) = (0, 0, 0)
    /// The next record's number. No number is used twice with one key.
    package private(set) var number: UInt64

    private init(_ suite: TLSSuite, _ secret: TLSSecret, seals: Bool, number: UInt64, _ context: OpaquePointer) {
        self.suite = suite
        self.seals = seals
        self.secret = secret
        self.context = context
        self.number = number
    }

    /// - Parameter number: how many records the direction has had by this secret.
    /// - Returns: nil when OpenSSL lacks memory or the cipher.
    package static func make(_ suite: TLSSuite, _ secret: TLSSecret, seals: Bool, number: UInt64) -> TLSRecordCipher? {
        guard let context = EVP_CIPHER_CTX_new() else { return nil }
        var cipher = TLSRecordCipher(suite, secret, seals: seals, number: number, context)
        guard cipher.setKey(by: KeyedHash(suite)) else { return nil }
        return cipher
    }

    deinit { EVP_CIPHER_CTX_free(context) }

    private mutating func setKey(by hash: borrowing KeyedHash) -> Bool {
        var key: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        return withUnsafeMutableBytes(of: &key) { key in
            defer { OPENSSL_cleanse(key.baseAddress, key.count) }
            guard secret.expand("key", by: hash, into: UnsafeMutableRawBufferPointer(rebasing: key[..<suite.keyByteCount])),
                withUnsafeMutableBytes(of: &vector, { secret.expand("iv", by: hash, into: $0) })
            else { return false }
            let bytes = key.bindMemory(to: UInt8.self).baseAddress
            return seals
                ? EVP_EncryptInit_ex2(context, suite.cipher, bytes, nil, nil) == 1
                : EVP_DecryptInit_ex2(context, suite.cipher, bytes, nil, nil) == 1
        }
    }

    /// Goes on with the next secret (RFC 8446 §7.2).
    package mutating func update() -> Bool {
        let hash = KeyedHash(suite)
        guard secret.advance(by: hash), setKey(by: hash) else { return false }
        number = 0
        return true
    }

    /// The number in the vector (RFC 8446 §5.3); nil when the numbers are used up.
    private mutating func takeNonce() -> (UInt32, UInt32, UInt32)? {
        guard number < .max else { return nil }
        let high = UInt32(truncatingIfNeeded: number >> 32).bigEndian
        let low = UInt32(truncatingIfNeeded: number).bigEndian
        number += 1
        return (vector.0, vector.1 ^ high, vector.2 ^ low)
    }

    /// Writes a record with at most ``TLSRecord/maxContentByteCount`` bytes of content.
    /// - Parameter output: room for the content and ``TLSRecord/overhead``.
    package mutating func seal(_ type: UInt8, _ content: UnsafeRawBufferPointer, into output: UnsafeMutableRawPointer) -> Bool {
        let innerByteCount = content.count + 1
        let length = UInt16(innerByteCount + TLSRecord.tagByteCount)
        output.storeBytes(of: TLSContentType.applicationData.rawValue, as: UInt8.self)
        output.storeBytes(of: UInt16(0x0303).bigEndian, toByteOffset: 1, as: UInt16.self)
        output.storeBytes(of: length.bigEndian, toByteOffset: 3, as: UInt16.self)
        let header = output.assumingMemoryBound(to: UInt8.self)
        let body = header + TLSRecord.headerByteCount
        if let base = content.baseAddress { memcpy(body, base, content.count) }
        body[content.count] = type
        guard var nonce = takeNonce() else { return false }
        return withUnsafeBytes(of: &nonce) { nonce in
            var count: Int32 = 0
            return EVP_EncryptInit_ex2(context, nil, nil, nonce.bindMemory(to: UInt8.self).baseAddress, nil) == 1
                && EVP_EncryptUpdate(context, nil, &count, header, Int32(TLSRecord.headerByteCount)) == 1
                && EVP_EncryptUpdate(context, body, &count, body, Int32(innerByteCount)) == 1
                && EVP_EncryptFinal_ex(context, body + innerByteCount, &count) == 1
                && EVP_CIPHER_CTX_ctrl(
                    context, EVP_CTRL_AEAD_GET_TAG, Int32(TLSRecord.tagByteCount), body + innerByteCount) == 1
        }
    }

    /// Opens a whole record in place: content, type and padding then stand behind its header.
    /// - Parameter sealedByteCount: of what stands behind the header; more than a tag.
    package mutating func open(_ record: UnsafeMutableRawPointer, _ sealedByteCount: Int) -> Bool {
        let header = record.assumingMemoryBound(to: UInt8.self)
        let body = header + TLSRecord.headerByteCount
        let innerByteCount = sealedByteCount - TLSRecord.tagByteCount
        guard var nonce = takeNonce() else { return false }
        return withUnsafeBytes(of: &nonce) { nonce in
            var count: Int32 = 0
            return EVP_DecryptInit_ex2(context, nil, nil, nonce.bindMemory(to: UInt8.self).baseAddress, nil) == 1
                && EVP_DecryptUpdate(context, nil, &count, header, Int32(TLSRecord.headerByteCount)) == 1
                && EVP_DecryptUpdate(context, body, &count, body, Int32(innerByteCount)) == 1
                && EVP_CIPHER_CTX_ctrl(
                    context, EVP_CTRL_AEAD_SET_TAG, Int32(TLSRecord.tagByteCount), body + innerByteCount) == 1
                && EVP_DecryptFinal_ex(context, body + innerByteCount, &count) == 1
        }
    }
}
