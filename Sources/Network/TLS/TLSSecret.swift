import COpenSSL
import Glibc

/// A traffic secret of TLS 1.3: the keys of one direction come from it, and the next secret (RFC 8446 §7.1 to §7.3).
/// Overwritten when it is given back. Loop-confined.
package final class TLSSecret {
    /// Room for the longest hash, SHA-384.
    private var words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)
    package let byteCount: Int

    /// - Parameter hex: as in a line of SSLKEYLOGFILE, up to its end; nil when it is not a hash's length.
    package init?(hex: UnsafePointer<CChar>) {
        byteCount = strlen(hex) / 2
        guard byteCount == 32 || byteCount == 48 else { return nil }
        let isHex = withUnsafeMutableBytes(of: &words) { bytes in
            for index in 0..<byteCount {
                guard let high = Self.digit(hex[index * 2]), let low = Self.digit(hex[index * 2 + 1]) else { return false }
                bytes[index] = high << 4 | low
            }
            return true
        }
        if !isHex { return nil }
    }

    deinit { withUnsafeMutableBytes(of: &words) { OPENSSL_cleanse($0.baseAddress, $0.count) } }

    private static func digit(_ character: CChar) -> UInt8? {
        switch UInt8(bitPattern: character) {
        case let code where code >= 0x30 && code <= 0x39: code - 0x30
        case let code where code | 0x20 >= 0x61 && code | 0x20 <= 0x66: (code | 0x20) - 0x61 + 10
        default: nil
        }
    }

    /// HKDF-Expand-Label with an empty context, for at most a hash's length: one HMAC.
    func expand(_ label: StaticString, by hash: borrowing KeyedHash, into output: UnsafeMutableRawBufferPointer) -> Bool {
        // length, "tls13 " + label behind its own length, no context, and the counter of the only block (RFC 5869 §2.3).
        var info: (UInt64, UInt64, UInt64) = (0, 0, 0)
        let prefix: StaticString = "tls13 "
        return withUnsafeMutableBytes(of: &info) { info in
            let length = prefix.utf8CodeUnitCount + label.utf8CodeUnitCount
            guard 5 + length <= info.count, output.count <= byteCount else { return false }
            info[1] = UInt8(output.count)
            info[2] = UInt8(length)
            UnsafeMutableRawBufferPointer(rebasing: info[3...]).copyMemory(
                from: UnsafeRawBufferPointer(start: prefix.utf8Start, count: prefix.utf8CodeUnitCount))
            UnsafeMutableRawBufferPointer(rebasing: info[(3 + prefix.utf8CodeUnitCount)...]).copyMemory(
                from: UnsafeRawBufferPointer(start: label.utf8Start, count: label.utf8CodeUnitCount))
            info[4 + length] = 1
            let message = UnsafeRawBufferPointer(rebasing: info[..<(5 + length)])
            return withUnsafeBytes(of: &words) { key in
                hash.authenticate(message, key: UnsafeRawBufferPointer(rebasing: key[..<byteCount]), into: output)
            }
        }
    }

    /// The secret that follows, in this one's place.
    func advance(by hash: borrowing KeyedHash) -> Bool {
        var next: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)
        let isDone = withUnsafeMutableBytes(of: &next) { bytes in
            expand("traffic upd", by: hash, into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<byteCount]))
        }
        if isDone { words = next }
        withUnsafeMutableBytes(of: &next) { OPENSSL_cleanse($0.baseAddress, $0.count) }
        return isDone
    }
}

/// HMAC with the hash of a cipher suite.
struct KeyedHash: ~Copyable {
    private struct Method: @unchecked Sendable { let pointer: OpaquePointer? }
    /// Fetched once: OpenSSL 3 would search its providers each time.
    private static let method = Method(pointer: EVP_MAC_fetch(nil, "HMAC", nil))

    /// nil when OpenSSL lacks memory or the hash: then nothing can be authenticated.
    private let context: OpaquePointer?

    init(_ suite: TLSSuite) {
        guard let context = EVP_MAC_CTX_new(Self.method.pointer) else {
            context = nil
            return
        }
        let isSet = suite.hashName.withCString { name in
            var parameters = [
                OSSL_PARAM_construct_utf8_string(copenssl_mac_digest_key(), UnsafeMutablePointer(mutating: name), 0),
                OSSL_PARAM_construct_end(),
            ]
            return EVP_MAC_CTX_set_params(context, &parameters) == 1
        }
        if !isSet { EVP_MAC_CTX_free(context) }
        self.context = isSet ? context : nil
    }

    deinit { EVP_MAC_CTX_free(context) }

    /// The first bytes of the code of `message`.
    func authenticate(
        _ message: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) -> Bool {
        guard let context else { return false }
        var code: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
        return withUnsafeMutableBytes(of: &code) { code in
            defer { OPENSSL_cleanse(code.baseAddress, code.count) }
            var length = 0
            guard EVP_MAC_init(context, key.bindMemory(to: UInt8.self).baseAddress, key.count, nil) == 1,
                EVP_MAC_update(context, message.bindMemory(to: UInt8.self).baseAddress, message.count) == 1,
                EVP_MAC_final(context, code.bindMemory(to: UInt8.self).baseAddress, &length, code.count) == 1,
                length >= output.count
            else { return false }
            output.copyMemory(from: UnsafeRawBufferPointer(rebasing: code[..<output.count]))
            return true
        }
    }
}
